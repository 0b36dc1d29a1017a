// The language of the conformance cases (tests/conformance/README.md): files, lines, and tokens that stand for bytes.
// Knows no operation.

package bitcask_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A confCase is a named list of operations.
type confCase struct {
	name  string
	index string // the only index kind to run under; empty: all
	io    string // the only I/O kind; empty: both
	// ordered leaves out the index kinds without an order
	ordered bool
	large   bool
	reuse   bool
	ops     []confOp
}

// A confOp is one line: an operation on an object, and the result that Go must give.
type confOp struct {
	file   string
	line   int
	text   string // the operation as written, without the result
	name   string
	object string // empty: the operation's default
	args   []string
	opts   []confOption
	want   []string
	wrong  string // what is wrong with the line, which then fails its case
}

type confOption struct{ name, value string }

// readCases reads all cases of a directory, in the order of their files' names.
func readCases(dir string) ([]confCase, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.case"))
	if err != nil {
		return nil, err
	}
	var cases []confCase
	names := map[string]bool{}
	for _, file := range files { // Glob sorts
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(string(content), "\n") {
			if line == "" || line[0] == '#' {
				continue
			}
			fail := func(what string) error {
				return fmt.Errorf("%s:%d: %s: %s", filepath.Base(file), i+1, what, line)
			}
			tokens := strings.Split(line, " ")
			if tokens[0] == "case" {
				c, what := parseCase(tokens[1:])
				if what == "" && names[c.name] {
					what = "a name is used twice"
				}
				if what != "" {
					return nil, fail(what)
				}
				names[c.name] = true
				cases = append(cases, c)
				continue
			}
			if len(cases) == 0 {
				return nil, fail("an operation before the first case")
			}
			op, what := parseOp(tokens)
			op.file, op.line, op.wrong = filepath.Base(file), i+1, what
			last := &cases[len(cases)-1]
			last.ops = append(last.ops, op)
		}
	}
	return cases, nil
}

// parseCase and parseOp give what is wrong with a line as their second result.
func parseCase(tokens []string) (c confCase, what string) {
	if len(tokens) == 0 || tokens[0] == "" {
		return c, "a case without a name"
	}
	c.name = tokens[0]
	for _, option := range tokens[1:] {
		switch option {
		case "large":
			c.large = true
		case "reuse":
			c.reuse = true
		case "ordered":
			c.ordered = true
		case "index=btree", "index=hash", "index=art", "index=skiplist", "index=bptree":
			c.index = strings.TrimPrefix(option, "index=")
		case "io=mmap", "io=file":
			c.io = strings.TrimPrefix(option, "io=")
		default:
			return c, "unknown option " + option
		}
	}
	return c, ""
}

func parseOp(tokens []string) (op confOp, what string) {
	op.text = strings.Join(tokens, " ")
	left, right, arrow := tokens, []string(nil), false
	for i, token := range tokens {
		if token == "->" {
			left, right, arrow = tokens[:i], tokens[i+1:], true
			break
		}
	}
	if !arrow || len(left) == 0 {
		return op, "no operation or no result"
	}
	op.text = strings.Join(left, " ")
	op.name, op.object, _ = strings.Cut(left[0], "@")
	for _, token := range left[1:] {
		name, value, isOption := strings.Cut(token, "=")
		switch {
		case isOption:
			op.opts = append(op.opts, confOption{name, value})
		case len(op.opts) > 0 || token == "":
			return op, "an argument behind an option, or two spaces"
		default:
			op.args = append(op.args, token)
		}
	}
	for _, token := range right {
		language, result, ok := strings.Cut(token, "=")
		switch {
		case ok && language == "go":
			op.want = []string{result}
			return op, ""
		case ok && (language == "rust" || language == "c" || language == "cpp" || language == "python"):
		default:
			op.want = append(op.want, token)
		}
	}
	if len(op.want) == 0 {
		return op, "no result"
	}
	return op, ""
}

// parseBytes gives the bytes that a token means.
func parseBytes(token string) ([]byte, error) {
	if token == "-" {
		return []byte{}, nil
	}
	out := []byte{}
	for _, part := range strings.Split(token, "+") {
		kind, rest, special := strings.Cut(part, ":")
		if !special {
			decoded, err := hex.DecodeString(part)
			if err != nil || part == "" || part != strings.ToLower(part) {
				return nil, fmt.Errorf("no bytes: %q", part)
			}
			out = append(out, decoded...)
			continue
		}
		what, count, _ := strings.Cut(rest, "*")
		n, err := strconv.ParseUint(count, 10, 40)
		if err != nil {
			return nil, fmt.Errorf("no count: %q", part)
		}
		switch kind {
		case "rep":
			b, err := hex.DecodeString(what)
			if err != nil || len(b) != 1 {
				return nil, fmt.Errorf("no byte: %q", part)
			}
			out = append(out, bytes.Repeat(b, int(n))...)
		case "gen":
			seed, err := strconv.ParseUint(what, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("no seed: %q", part)
			}
			out = append(out, generated(seed, int(n))...)
		default:
			return nil, fmt.Errorf("unknown part: %q", part)
		}
	}
	return out, nil
}

// generated makes the pseudo-random bytes of gen:SEED*N.
func generated(seed uint64, n int) []byte {
	const period = 65_521
	out := make([]byte, n)
	x := seed
	for i := range min(n, period) {
		x = x*6364136223846793005 + 1442695040888963407
		out[i] = byte(x >> 56)
	}
	for done := period; done < n; done *= 2 {
		copy(out[done:], out[:done])
	}
	return out
}

// written gives bytes as the plainest token that means them.
func written(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return hex.EncodeToString(b)
}

// normalized writes an expected result as written would: bytes, or a pair of them, plainly.
func normalized(token string) (string, error) {
	key, value, pair := strings.Cut(token, "=")
	k, err := parseBytes(key)
	if err != nil || !pair {
		return written(k), err
	}
	v, err := parseBytes(value)
	return written(k) + "=" + written(v), err
}

// isStatus tells a status's name from bytes and numbers.
func isStatus(token string) bool { return token != "" && token[0] >= 'A' && token[0] <= 'Z' }
