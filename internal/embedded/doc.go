// Package embedded finds, builds and runs the Temporal server that tests, the
// demo and make targets use.
//
// None of them may reach the server that the user's TEMPORAL_* variables name,
// for that may be production. So they start their own: [Locate] says which
// program to run, [Start] runs it on free loopback ports and waits until it
// can be used. A caller needs no more than
//
//	source, err := embedded.Locate(ctx, embedded.Options{Out: os.Stderr})
//	server, err := embedded.Start(ctx, source, embedded.ServerOptions{})
//	defer server.Stop()
//	client.Dial(client.Options{HostPort: server.Address(), Namespace: server.Namespace()})
//
// Environment variables steer it. SERIATIM_TEST_ADDRESS names a running server,
// host:port, to use instead of starting one; everything then happens in a fresh
// namespace. SERIATIM_TEST_HTTP_ADDRESS is its HTTP API, which is not used
// without. DEVSERVER=build says to use the devserver of this
// repository and nothing else.
package embedded
