// Package opclient submits operations to Seriatim and follows them from Go.
//
// A [Client] wraps a Temporal client and needs nothing else: every request is
// one that a client in any language could send, as package protocol describes.
//
//	temporal, err := client.Dial(client.Options{})
//	operations := opclient.New(temporal, opclient.Options{})
//	handle, err := operations.Submit(ctx, protocol.Operation{
//		OperationType:   "http.request",
//		DependencyToken: "customer-42",
//		Data:            json.RawMessage(`{"url":"https://example.com/hook"}`),
//	})
//	found, err := handle.Wait(ctx)
//
// Submit returns as soon as the operation is durable, before it runs; no worker
// has to be up (SPEC 1.1). Operations with one dependency token run strictly
// one after another, in the order of acceptance (SPEC 4.1).
//
// # The id
//
// An operation's id is the key for everything: to find it, and to submit it
// again without running it twice. Submit fills in a UUIDv7. A caller that may
// die between submitting and noting that it did should choose the id itself.
// Where an operation has a dependency token, keep the token beside the id:
// while it queues, the token says where, and without it every running token has
// to be asked.
//
// # What is refused, and when
//
// Forms and limits are checked before anything is sent; the errors are
// *protocol.FieldError, one a field. A type is checked where the client was
// given a catalogue. What a serializer alone can know, such as an id that
// another operation has, shows later: Get and Wait answer it as a
// *protocol.Refusal, and [Client.Token] lists the last rejects.
//
// # Errors
//
// A request that was understood and turned down is a *protocol.Refusal, with
// the code of the original service and the actions that are allowed instead.
// errors.Is with [ErrNotFound], [ErrQueueFull] and the other Err values tells
// them apart by type. A [*UnansweredError] says that a request may or may not
// have been carried out; repeat it with the same id. A [*NoWorkerError] says
// that the request is in order and nobody answers it.
//
// # Act
//
// [Client.Cancel], [Client.Postpone], [Client.Pause], [Client.Resume],
// [Client.Rerun] and [Client.Delete] act on one operation, wherever it is, and
// follow one that moves; [Client.Why] says what it waits for and what may be
// asked of it. [Client.Hold], [Client.Release], [Client.Skip],
// [Client.CancelAll] and [Client.SetPolicy] act on a token, [Client.Tokens]
// finds those that do not get on. [Client.ActMany] acts on all that match a
// filter. Options.Identity and the reason are kept with what was done.
//
// # Long queues
//
// Most of a long queue is held by pages, which are workflows of their own.
// [Client.Queue], [Client.List], [Client.Get] and the others read through them: a
// window costs the pages that it touches, a search by id as many as it takes. A
// [*PageError] names a page that cannot be read.
//
// # Without a worker
//
// What was submitted is durable, and reading answers too: what has started from
// its execution, what queues from its token's history. [Found].Source says so.
//
// # From inside a workflow
//
// [Activities] submit and wait on behalf of a workflow, with the same ids in
// every attempt; a worker registers them where its workflows run.
// [protocol.Operation.CausedBy] passes depth and correlation on (SPEC 6.6).
//
// # Many operations
//
// [Client.SubmitMany] sends a stream of any length in bounded memory, up to 500
// operations a signal, in order for each token, and says of each operation what
// became of it. [ReadJSONLines] reads such a stream strictly.
package opclient
