package main

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

// traceVariable is how a process is told of the span that started it.
const traceVariable = "TRACEPARENT"

// traced is ctx with the span that the environment names, if it does: what is
// submitted goes on its trace.
func (a *app) traced(ctx context.Context) context.Context {
	traceparent, _ := a.environment.LookupEnv(traceVariable)
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}
