// The ordinary build: calls do not collect garbage. See gc_stress.go.

//go:build !bitcask_gcstress

package bitcask

const gcStress = false

func maybeGC() {}
