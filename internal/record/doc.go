// Package record holds no code: its test plays shapes of work on a real server
// and keeps their histories in workflows/testdata/replay/unreleased, where the
// tests of package workflows replay them beside those of each release. It only
// runs when it is asked to:
//
//	SERIATIM_RECORD=name go test ./internal/record
//
// records the shape of that name, or those named, with commas; 1 is all of them.
// With a release the folder gets its version as its name. From then on its
// histories are never recorded again: a change of the workflows' commands has to
// replay them.
package record
