package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// member is one name of a JSON object with its value, not decoded yet.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf takes an object apart in the order in which it was written, with
// every repeat of a name. ok is false where raw is not a JSON object.
func membersOf(raw []byte) (members []member, ok bool) {
	if !json.Valid(raw) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if open, _ := decoder.Token(); open != json.Delim('{') {
		return nil, false
	}
	for decoder.More() {
		name, _ := decoder.Token() // valid, so it is a name
		m := member{name: fmt.Sprint(name)}
		if err := decoder.Decode(&m.value); err != nil {
			return nil, false
		}
		members = append(members, m)
	}
	return members, true
}

// ambiguity says why two readers could see two different values in valid JSON,
// empty if they cannot: a name that an object has twice, of which some readers
// take the first and some the last, or half of a surrogate pair, which some
// keep and some replace.
func ambiguity(raw []byte) string {
	if half, found := loneSurrogate(raw); found {
		return fmt.Sprintf("has %s, half of a surrogate pair, which is no character", half)
	}
	if name, found := repeatedName(string(raw)); found {
		return fmt.Sprintf("has an object with the name %s twice", quoted(name))
	}
	return ""
}

// repeatedName finds a name that an object has twice, at any depth of valid
// JSON. It runs in workflows on all that is submitted, so it reads once and
// decodes only names with escapes.
func repeatedName(text string) (repeated string, found bool) {
	var names []string // of the objects that are open, outermost first
	var starts []int   // where the names of each of them begin
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			starts = append(starts, len(names))
		case '}':
			last := len(starts) - 1
			if repeated, found = twice(names[starts[last]:]); found {
				return repeated, true
			}
			names, starts = names[:starts[last]], starts[:last]
		case '"':
			end := stringEnd(text, i)
			if strings.HasPrefix(strings.TrimLeft(text[end:], " \t\r\n"), ":") { // only a name is followed by one
				names = append(names, unescaped(text[i:end]))
			}
			i = end - 1
		}
	}
	return "", false
}

// twice finds what is in the list more than once; it sorts the list.
func twice(list []string) (item string, found bool) {
	slices.Sort(list)
	for i := 1; i < len(list); i++ {
		if list[i] == list[i-1] {
			return list[i], true
		}
	}
	return "", false
}

// stringEnd is where the JSON string that begins there has ended.
func stringEnd(text string, start int) int {
	for i := start + 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// unescaped is what a JSON string says.
func unescaped(quoted string) string {
	var decoded string
	if strings.IndexByte(quoted, '\\') < 0 || json.Unmarshal([]byte(quoted), &decoded) != nil {
		return quoted[1 : len(quoted)-1]
	}
	return decoded
}

// loneSurrogate finds an escape such as \ud800 that is not one of a pair, in
// valid JSON: the decoder would replace it without a word.
func loneSurrogate(raw []byte) (escape string, found bool) {
	for {
		at := bytes.IndexByte(raw, '\\')
		if at < 0 {
			return "", false
		}
		raw = raw[at:]
		switch unit := escapedUnit(raw); {
		case unit < 0:
			raw = raw[2:]
		case unit>>10 == 0xd800>>10 && escapedUnit(raw[6:])>>10 == 0xdc00>>10:
			raw = raw[12:]
		case unit>>11 == 0xd800>>11:
			return string(raw[:6]), true
		default:
			raw = raw[6:]
		}
	}
}

// escapedUnit is the UTF-16 unit of the escape \uXXXX that raw begins with, -1
// where it begins with something else.
func escapedUnit(raw []byte) int {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int(unit)
}
