// Package e2e holds Seriatim's tests against a real Temporal server. It has no
// production code.
//
// One server serves all tests, each with a task queue and tokens of its own;
// tests that change the server's limits or kill it start another one.
package e2e
