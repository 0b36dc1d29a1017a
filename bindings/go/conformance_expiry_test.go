// The conformance runner's operations with keys that expire.

package bitcask_test

import (
	"errors"
	"strconv"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// expirer is what stores, batches and transactions have in common. A store's writes have options besides.
type expirer interface {
	PutWithTTL(key, value []byte, ttl time.Duration) error
	Expire(key []byte, ttl time.Duration) (bool, error)
	Persist(key []byte) (bool, error)
	TTL(key []byte) (time.Duration, error)
}

type storeExpirer struct{ *bitcask.DB }

func (s storeExpirer) PutWithTTL(key, value []byte, ttl time.Duration) error {
	return s.DB.PutWithTTL(key, value, ttl)
}
func (s storeExpirer) Expire(key []byte, ttl time.Duration) (bool, error) {
	return s.DB.Expire(key, ttl)
}
func (s storeExpirer) Persist(key []byte) (bool, error) { return s.DB.Persist(key) }

// expiryArguments are the numbers of arguments of these operations, of which the last is a time but for persist.
var expiryArguments = map[string]int{"put_ttl": 3, "expire": 2, "persist": 1, "ttl": 2}

func (op *confOp) milliseconds(i int) (time.Duration, error) {
	n, err := strconv.ParseInt(op.args[i], 10, 64)
	return time.Duration(n) * time.Millisecond, err
}

// onExpiry runs the operations on any of them; known is false for another one.
func (r *confRunner) onExpiry(e expirer, name string, op *confOp) (got []string, err error, known bool) {
	n, known := expiryArguments[name]
	if !known {
		return nil, nil, false
	}
	if err := op.arguments(n); err != nil {
		return nil, err, true
	}
	key, err := parseBytes(op.args[0])
	if err != nil {
		return nil, err, true
	}
	var ttl time.Duration
	if name != "persist" {
		if ttl, err = op.milliseconds(n - 1); err != nil {
			return nil, err, true
		}
	}
	key = r.give(key)
	defer r.returned()
	switch name {
	case "put_ttl":
		value, err := parseBytes(op.args[1])
		if err != nil {
			return nil, err, true
		}
		got, err = outcome(e.PutWithTTL(key, r.give(value), ttl), "OK")
		return got, err, true
	case "expire":
		found, err := e.Expire(key, ttl)
		got, err = outcome(err, yesNo(found))
		return got, err, true
	case "persist":
		had, err := e.Persist(key)
		got, err = outcome(err, yesNo(had))
		return got, err, true
	}
	left, err := e.TTL(key)
	word := yesNo((left - ttl).Abs() < 10*time.Minute)
	if left == bitcask.NoExpiry {
		word = "forever"
	}
	got, err = outcome(err, word)
	return got, err, true
}

func expiryOps() map[string]storeOp {
	ops := map[string]storeOp{
		"put_if_absent_ttl": {3, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			key, err := parseBytes(op.args[0])
			value, err2 := parseBytes(op.args[1])
			ttl, err3 := op.milliseconds(2)
			if err := errors.Join(err, err2, err3); err != nil {
				return nil, err
			}
			stored, err := s.db.PutIfAbsentWithTTL(r.give(key), r.give(value), ttl)
			r.returned()
			return outcome(err, yesNo(stored))
		}},
		"compare_and_swap_ttl": {4, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			var old []byte
			key, err := parseBytes(op.args[0])
			value, err2 := parseBytes(op.args[2])
			ttl, err3 := op.milliseconds(3)
			if op.args[1] != "none" {
				old, err = parseBytes(op.args[1])
				old = r.give(old)
			}
			if err := errors.Join(err, err2, err3); err != nil {
				return nil, err
			}
			swapped, err := s.db.CompareAndSwapWithTTL(r.give(key), old, r.give(value), ttl)
			r.returned()
			return outcome(err, yesNo(swapped))
		}},
		"fetch_add_ttl": {3, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			key, err := parseBytes(op.args[0])
			delta, err2 := strconv.ParseInt(op.args[1], 10, 64)
			ttl, err3 := op.milliseconds(2)
			if err := errors.Join(err, err2, err3); err != nil {
				return nil, err
			}
			before, err := s.db.FetchAddWithTTL(r.give(key), delta, ttl)
			r.returned()
			return outcome(err, strconv.FormatInt(before, 10))
		}},
		"sweep": {0, false, func(_ *confRunner, s *confStore, _ *confOp) ([]string, error) {
			keys, err := s.db.SweepExpired()
			return outcome(err, strconv.FormatUint(keys, 10))
		}},
		"await_gone": {1, false, func(_ *confRunner, s *confStore, op *confOp) ([]string, error) {
			key, err := parseBytes(op.args[0])
			if err != nil {
				return nil, err
			}
			for {
				has, err := s.db.Has(key)
				if err != nil || !has {
					return outcome(err, "OK")
				}
				time.Sleep(time.Millisecond)
			}
		}},
	}
	for name, arguments := range expiryArguments {
		ops[name] = storeOp{arguments, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			got, err, _ := r.onExpiry(storeExpirer{s.db}, name, op)
			return got, err
		}}
	}
	return ops
}
