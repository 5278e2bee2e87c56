// Package record holds no code: its test plays shapes of work on a real server
// and keeps their histories in workflows/testdata/replay, where the tests of
// package workflows replay them. It only runs when it is asked to, to record a
// new shape or to record all of them for a new version of the workflows:
//
//	SERIATIM_RECORD=1 go test ./internal/record
//
// SERIATIM_RECORD=name records that shape alone, or those named, with commas. A history that a released
// version wrote is never recorded again: a change of the workflows' commands has
// to replay it.
package record
