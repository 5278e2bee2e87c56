// Package activities is the kit for handlers, and the handlers that come with
// Seriatim. A handler does one operation's work and says how it ended by
// returning a protocol.Outcome; it never talks to Temporal.
//
//   - handler.go: what a handler is, and how a worker registers it
//   - typed.go: a handler that takes its data as a Go type
//   - progress.go: checkpoints, and the heartbeats that carry them
//   - commit.go: a checkpoint that is kept before the handler goes on
//   - report.go: how an outcome becomes what the workflow reads
//   - engine.go, readoperation.go, predecessor.go: the engine's own activities,
//     which are no handlers
//   - http.go, http_*.go: the handler of http.request
//
// The handlers of import and activity.propagation are in sqlimport and propagate,
// over files, sqldb, csvfile and fenced.
//
// Package handlertest tests that a handler goes on from its checkpoints, and does
// no harm where it does something again.
//
// A team's own worker registers its handlers with Register, next to the
// workflows; examples/ownworker is one.
package activities
