// Package mail is the handler of bulk.email: one message for each recipient of a
// list, over SMTP, each with values of its own (SPEC 9.1, type 2).
//
//   - mail.go: the connections that operations may name, and the handler
//   - data.go: what an operation says
//   - recipients.go: the list, without doubles and without those that are suppressed
//   - lists.go, query.go: lists in files and databases
//   - address.go: which addresses are mailed to
//   - template.go: text with values in it
//   - message.go: one recipient's message, the same in every attempt
//   - conversation.go, answer.go: speaking SMTP, and what the server's answers mean
//   - run.go, sending.go: going through the list, from the checkpoint on
//   - checkpoint.go: how far it is, and that the lock is still held
//   - result.go, rejects.go: what came of it
//
// No recipient gets two messages, within what SMTP allows: after the server has
// taken a message its attempt has the checkpoint kept, and only then begins the
// next. A worker that is killed between the two sends that one message again, with
// the same Message-ID and the same bytes, and the result counts it as in doubt.
package mail
