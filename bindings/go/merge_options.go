// When data files are worth a merge, and which: one file beyond a trigger starts a merge, all files beyond a threshold join it. The words and
// defaults are those of Riak's Bitcask. Shares are by bytes of a file's records.

package bitcask

import "math"

// WithFragMergeTrigger sets the dead share of a data file, in percent, from which on it starts a merge. Default: 60; above 100: never.
func WithFragMergeTrigger(percent int) Option {
	return func(o *options) {
		o.set |= setFragMergeTrigger
		o.fragMergeTrigger = o.percent("the fragmentation trigger", percent)
	}
}

// WithDeadBytesMergeTrigger sets the dead bytes of a data file from which on it starts a merge. Default: 512 MiB.
func WithDeadBytesMergeTrigger(bytes uint64) Option {
	return func(o *options) { o.set |= setDeadBytesMergeTrigger; o.deadBytesMergeTrigger = bytes }
}

// WithFragThreshold sets the dead share of a data file, in percent, from which on it joins a merge. Default: 40; above 100: never.
func WithFragThreshold(percent int) Option {
	return func(o *options) {
		o.set |= setFragThreshold
		o.fragThreshold = o.percent("the fragmentation threshold", percent)
	}
}

// WithDeadBytesThreshold sets the dead bytes of a data file from which on it joins a merge. Default: 128 MiB.
func WithDeadBytesThreshold(bytes uint64) Option {
	return func(o *options) { o.set |= setDeadBytesThreshold; o.deadBytesThreshold = bytes }
}

// WithSmallFileThreshold sets the length of a data file below which it joins a merge. Default: 10 MiB; 0: none.
func WithSmallFileThreshold(bytes uint64) Option {
	return func(o *options) { o.set |= setSmallFileThreshold; o.smallFileThreshold = bytes }
}

// WithBackgroundMerge says whether a thread of the store merges by itself what is worth it, if the store is opened for writing;
// [DB.LastBackgroundMerge] tells what came of it. Default: yes; without it space is given back by [DB.Merge] alone.
func WithBackgroundMerge(yes bool) Option {
	return func(o *options) { o.set |= setBackgroundMerge; o.backgroundMerge = yes }
}

// WithMergeBytesPerSecond has merges in the background read and write at most so many bytes a second together. Default: 0, which is without limit.
func WithMergeBytesPerSecond(bytesPerSecond uint64) Option {
	return func(o *options) { o.set |= setMergeBytesPerSecond; o.mergeBytesPerSecond = bytesPerSecond }
}

// WithMergeWindow sets the first and the last hour of the day (UTC, 0 to 23) in which merges should run, and those in the background do; over midnight
// if the last is the smaller one: from 22 to 4 is from 22:00 to 4:59. Default: any hour.
func WithMergeWindow(fromHour, toHour int) Option {
	return func(o *options) {
		if min(fromHour, toHour) < 0 || max(fromHour, toHour) > 23 {
			o.invalid = "the hours of the merge window are not from 0 to 23"
			return
		}
		o.set |= setMergeWindow
		o.mergeFrom, o.mergeTo = fromHour, toHour
	}
}

// percent fits a share into C's type. One that is negative is refused at open.
func (o *options) percent(what string, percent int) uint32 {
	if percent < 0 {
		o.invalid = what + " is negative"
		return 0
	}
	return uint32(min(percent, math.MaxInt32))
}
