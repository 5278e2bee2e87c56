package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"go.temporal.io/sdk/temporal"
)

const usage = `worker runs Seriatim's workflows and handlers against a Temporal server until it
is told to stop (SIGINT, SIGTERM). It waits for a server that is not there yet.

Usage:
  worker [flags]

Flags:
  --config FILE      the configuration; default $SERIATIM_CONFIG, else config.yaml
  --log-level LEVEL  debug, info, warn or error; default info
  --healthcheck      ask the worker that runs at the configuration's
                     worker.httpAddress whether it is ready, and exit
  --version          print the version and exit
  --help             print this text and exit

Environment:
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_*,
  TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE
                     the connection, as for Temporal's own command line;
                     default 127.0.0.1:7233, namespace "default"
  TEMPORAL_DEPLOYMENT_NAME, TEMPORAL_WORKER_BUILD_ID
                     both set: Worker Versioning, in which the deployment's current
                     version gets the work; neither, the default: no versioning
  OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_*
                     where traces go and which are kept, as OpenTelemetry has it,
                     with the setting traces.exporter: otlp
  SERIATIM_<SECTION>_<KEY>
                     a setting of the configuration, over the file

Examples:
  worker
  worker --config /etc/seriatim/config.yaml --log-level warn
  TEMPORAL_ADDRESS=temporal:7233 TEMPORAL_NAMESPACE=orders worker
  SERIATIM_HTTP_ALLOWLOOPBACK=true worker
  SERIATIM_WORKER_HTTPADDRESS=:9464 worker
  SERIATIM_WORKER_HTTPADDRESS=:9464 worker --healthcheck

Logs go to stderr: text on a terminal, JSON otherwise.
Exit codes: 0 stopped when told to (--healthcheck: ready), 1 failed (not ready),
2 wrong flags or configuration.
`

// flags are what the command line says.
type flags struct {
	config      string
	logLevel    slog.Level
	healthcheck bool
	version     bool
}

// parse reads the command line; flag.ErrHelp asks for the usage.
func parse(args []string) (flags, error) {
	f := flags{}
	set := flag.NewFlagSet("worker", flag.ContinueOnError)
	set.SetOutput(io.Discard) // run prints the error
	set.StringVar(&f.config, "config", cmp.Or(os.Getenv("SERIATIM_CONFIG"), "config.yaml"), "")
	set.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "")
	set.BoolVar(&f.healthcheck, "healthcheck", false, "")
	set.BoolVar(&f.version, "version", false, "")
	if err := set.Parse(args); err != nil {
		return flags{}, err
	}
	if set.NArg() > 0 {
		return flags{}, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	return f, nil
}

// newLogger writes text to a terminal and JSON to anything else.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: withoutPayload}
	if isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// withoutPayload keeps what a handler said of its failure out of the log: it may
// quote the operation's data, or what the receiver answered. The operation's
// record has it, for those who may read that.
func withoutPayload(_ []string, a slog.Attr) slog.Attr {
	err, ok := a.Value.Any().(error)
	var failure *temporal.ApplicationError
	if ok && errors.As(err, &failure) {
		a.Value = slog.StringValue(failure.Type() + ": its message is in the operation's record")
	}
	return a
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
