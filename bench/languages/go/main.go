// libbitcask beside other stores, from Go.
//
//	languages subjects                       what can be measured, as JSON
//	languages one SUBJECT -keys N -dir D     measures one of them in D, which is empty; its samples as JSON
//
// `bench go` (../../src/languages) runs it: a process for each store and round. phases.go has the workload; each store has a file,
// and a build tag without which its peer is not compiled in: no_bbolt, no_lmdb, no_pebble, no_badger, no_goleveldb.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
)

// subject is a store that can be measured, as `bench` reads it.
type subject struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Ours    bool   `json:"ours"`
	Ordered bool   `json:"ordered"`
	Version string `json:"version"`
	Missing string `json:"missing,omitempty"`
	module  string
	by      string // said before the version, where that isn't the store's own
	open    func(dir string) (store, error)
}

// peers is filled by the files of those that are compiled in.
var peers = map[string]subject{}

// subjects gives all, ours first; the others are in the order of the table.
func subjects() []subject {
	list := ours()
	for _, id := range []string{"bbolt", "lmdb", "pebble", "badger", "goleveldb"} {
		s, ok := peers[id]
		if !ok {
			s = subject{ID: id, Name: id, Ordered: true, Missing: "its module could not be built"}
		}
		list = append(list, s)
	}
	info, _ := debug.ReadBuildInfo()
	for i := range list {
		for _, module := range info.Deps {
			if list[i].Version == "" && module.Path == list[i].module {
				list[i].Version = list[i].by + module.Version
			}
		}
	}
	return list
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "languages:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	print := json.NewEncoder(os.Stdout).Encode
	switch {
	case len(args) == 1 && args[0] == "subjects":
		return print(map[string]any{"runtime": "Go " + runtime.Version()[2:], "subjects": subjects()})
	case len(args) > 2 && args[0] == "one":
		flags := flag.NewFlagSet("one", flag.ContinueOnError)
		keys := flags.Int("keys", 0, "number of pairs")
		dir := flags.String("dir", "", "an empty directory")
		if err := flags.Parse(args[2:]); err != nil {
			return err
		}
		list := subjects()
		at := slices.IndexFunc(list, func(s subject) bool { return s.ID == args[1] && s.open != nil })
		if at < 0 || *keys < 1 || *dir == "" {
			return fmt.Errorf("one wants a subject that is there, -keys and -dir")
		}
		samples, err := measure(list[at], *keys, filepath.Join(*dir, "store"))
		if err != nil {
			return fmt.Errorf("%s: %w", args[1], err)
		}
		return print(samples)
	}
	return fmt.Errorf("usage: languages subjects | one SUBJECT -keys N -dir D")
}
