// What the tests of the public API need to see of the inside.

package bitcask

// GCStress tells whether every call collects garbage, which makes it some thousand times slower.
const GCStress = gcStress

// LibraryStatusName asks the library, where Status.Name asks Go's table.
func LibraryStatusName(code int32) string { return cStatusName(Status(code)) }
