package opclient

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// Options change how a Client works. The zero value is good for most.
type Options struct {
	// TaskQueue is where the workflow workers poll; default
	// protocol.DefaultTaskQueue.
	TaskQueue string
	// MaxOperationBytes refuses larger operations, encoded, before they are
	// sent; default protocol.DefaultMaxOperationBytes (64 KiB), never more than
	// protocol.MaxOperationBytes (256 KiB).
	MaxOperationBytes int
	// Catalogue refuses, before they are sent, types that are unknown or that
	// nothing runs, and a token where the type takes none; nil leaves that to the
	// worker, whose word is final in any case (SPEC 8.3).
	Catalogue *catalogue.Catalogue
	// RetryFor is how long a request that may yet succeed is repeated, counted
	// from its first failure; default 60 s.
	RetryFor time.Duration
	// QueryTimeout is how long a worker may take to answer a query before the
	// answer is put together without it; default 3 s.
	QueryTimeout time.Duration
	// UpdateTimeout is how long a worker may take to answer an action before it is
	// asked again, with the same update id; default 10 s.
	UpdateTimeout time.Duration
	// Identity is who asks for actions, kept and shown with them, at most 255
	// bytes: give it that of the Temporal client. Default "<pid>@<host>".
	Identity string
	// Namespace is that of the Temporal client, which does not tell it. Resume of
	// an operation that waits for its next attempt and Delete need it; with
	// another one they find nothing. Default client.DefaultNamespace.
	Namespace string
	// Parallel is how many signals SubmitMany has in flight, how many serializers
	// are asked at once, and how many pages of long queues are read; default 16.
	Parallel int
	// AttributeNames are the names that the namespace has for search attributes of
	// Seriatim: those of the workers' searchAttributes.names. Others find nothing.
	// Default: the names that they have in protocol.
	AttributeNames protocol.AttributeNames
	// DataConverter is the one that the Temporal client was dialled with;
	// default the SDK's.
	DataConverter converter.DataConverter
	// TracerProvider makes a producer span of each Submit and Raise, of which the
	// operation's traceparent is then that; SubmitMany makes none. Default nil: no
	// spans. With or without it, an operation or event whose Traceparent is empty
	// gets that of the span in the caller's ctx, if there is one.
	TracerProvider trace.TracerProvider
	// Notice is told, in a sentence without a full stop, what a person who waits
	// for the answer may want to know. It may be called from several goroutines.
	// Default: nobody is told.
	Notice func(string)
}

func (o Options) withDefaults() Options {
	if o.TaskQueue == "" {
		o.TaskQueue = protocol.DefaultTaskQueue
	}
	if o.MaxOperationBytes <= 0 {
		o.MaxOperationBytes = protocol.DefaultMaxOperationBytes
	}
	o.MaxOperationBytes = min(o.MaxOperationBytes, protocol.MaxOperationBytes)
	o.RetryFor = positive(o.RetryFor, time.Minute)
	o.QueryTimeout = positive(o.QueryTimeout, 3*time.Second)
	o.UpdateTimeout = positive(o.UpdateTimeout, 10*time.Second)
	if o.Identity == "" {
		o.Identity = defaultIdentity()
	}
	if o.Namespace == "" {
		o.Namespace = client.DefaultNamespace
	}
	if o.Parallel <= 0 {
		o.Parallel = 16
	}
	if o.DataConverter == nil {
		o.DataConverter = converter.GetDefaultDataConverter()
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	return o
}

// defaultIdentity is that of the SDK.
func defaultIdentity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%d@%s", os.Getpid(), host)
}

func positive(value, fallback time.Duration) time.Duration {
	if value <= 0 {
		return fallback
	}
	return value
}

// Client submits operations and follows them. It is safe for concurrent use.
type Client struct {
	temporal client.Client
	options  Options
	load     loadWatch
	paged    pageMemory
	// reading bounds how many pages are read at once.
	reading chan struct{}

	// withoutAttributes is set once the namespace turned out to have no search
	// attributes of ours.
	withoutAttributes atomic.Bool
}

// New wraps a Temporal client, which stays the caller's to close.
func New(c client.Client, o Options) *Client {
	o = o.withDefaults()
	return &Client{temporal: c, options: o, reading: make(chan struct{}, o.Parallel)}
}
