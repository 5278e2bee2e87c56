// Package workflows holds the deterministic part of Seriatim.
//
// Serializer decides the order of one dependency token and nothing else: it
// receives operations as signals and runs them one after another as child
// workflows. Its rules are Queue, pure code that begins in queue.go, and in
// backlog.go for a long queue's pages; serializer.go only obeys them. Operation
// owns the life of one operation, with or without a token; its rules are Life,
// pure code in lifecycle.go and, for the end of a handler, outcomes.go.
//
// A worker registers both with Register. Clients address them by name and never
// import this package: the wire is package protocol.
package workflows
