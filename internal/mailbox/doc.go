// Package mailbox is an SMTP server that keeps what it accepts in memory and can
// be asked for it: who got which message, how often, over which connection. It
// speaks real SMTP on a free port, with TLS under an authority of its own,
// authentication, and refusals where they are asked for. Tests and demonstrations
// send to it; it delivers nothing.
//
//   - mailbox.go: starting the server, and what it accepted
//   - session.go: one connection, and what it answers
//   - authority.go: the certificates
package mailbox
