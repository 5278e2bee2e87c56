package main

import (
	"errors"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
)

// discreet is a logger for the SDK that leaves out what handlers say of their
// failures: their messages may quote what an operation carries, and are in its
// record. The type of the error stays.
type discreet struct{ log.Logger }

func (d discreet) Debug(message string, pairs ...any) {
	d.Logger.Debug(message, withoutMessages(pairs)...)
}

func (d discreet) Info(message string, pairs ...any) {
	d.Logger.Info(message, withoutMessages(pairs)...)
}

func (d discreet) Warn(message string, pairs ...any) {
	d.Logger.Warn(message, withoutMessages(pairs)...)
}

func (d discreet) Error(message string, pairs ...any) {
	d.Logger.Error(message, withoutMessages(pairs)...)
}

// With keeps the pairs for all that is logged.
func (d discreet) With(pairs ...any) log.Logger {
	return discreet{log.With(d.Logger, withoutMessages(pairs)...)}
}

func withoutMessages(pairs []any) []any {
	kept := make([]any, len(pairs))
	for i, value := range pairs {
		kept[i] = value
		var failure *temporal.ApplicationError
		if err, isError := value.(error); isError && errors.As(err, &failure) {
			kept[i] = "application error of type " + failure.Type() + "; the operation's record has its message"
		}
	}
	return kept
}
