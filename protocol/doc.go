// Package protocol is Seriatim's wire: the names, ids, records, messages and
// errors that a client, a worker and a workflow exchange through Temporal.
//
// It imports the standard library only, so that it can be read as the
// specification for a client in any language. testdata holds one golden JSON
// file per message; a client in another language can be tested against them.
//
//   - names.go: workflow types, signals, updates, queries, search attributes
//   - ids.go: how a token or an operation id becomes a workflow id
//   - operation.go: what a caller submits, and the record that the system keeps
//   - states.go: states, actions and the table of what is allowed when
//   - decode.go, json.go, validate.go: what a submission may look like, refused by name
//   - messages.go: arguments and answers of signals, updates and queries
//   - outcome.go, handler.go: how a handler is called and how it may end
//   - errors.go: refusals and their codes
//
// The behaviour behind it is docs/semantics.md; rules are cited as SPEC n.n.
package protocol
