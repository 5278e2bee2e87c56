// Package verify proves from a Temporal server's histories that a dependency
// token kept its promise, as far as these histories are retained, and says how
// far that is.
//
// A Checker is pure: it is told, in the order of the serializer's histories,
// which operations were started under which number, and what their own histories
// say, and it names what breaks a rule:
//
//   - each number of a chain of runs is accounted for by one execution, by one
//     recorded duplicate, or by an operation that still waits;
//   - operations start in the order of their numbers (SPEC 4.1, 4.9);
//   - none starts before the one before it has closed (SPEC 4.1, 2.2);
//   - no handler is scheduled before postponeUntil (SPEC 5.1), nor while the token
//     is held (SPEC 4.10, 4.5), nor for an operation that ended while it queued;
//   - each execution ends once, or runs, or waits (SPEC 2.1).
//
// Tokens reads those histories, run by run, so that what is kept in memory does
// not grow with the histories: some 24 bytes for each operation, and one run's
// operations at a time.
//
// Nothing here knows the workflows' code: what they wrote is read as JSON.
package verify
