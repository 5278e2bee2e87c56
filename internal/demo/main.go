// Command demo brings up a Temporal server and a worker and does Seriatim's main
// job on real input: it is `make demo`.
//
// Three operations on one token show the rule: A runs, B is postponed, C waits
// behind B. Beside them examples/deliveries.jsonl is delivered over HTTP to a
// receiver that records what came and in which order, and the demo checks that
// record. Then a campaign: examples/contacts.csv is imported into a database, each
// active contact gets an activity, and each of those a message by SMTP, with all
// counts checked against the database and the mail server. It exits 1 if any rule
// was broken.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// limit bounds the work; it takes some twenty seconds on two cores.
const limit = 5 * time.Minute

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	keep := flags.Bool("keep", false, "leave everything running until Ctrl-C")
	file := flags.String("file", "examples/deliveries.jsonl", "what to deliver, one operation a line")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := demo(ctx, *file, *keep, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "demo: %v\n", err)
		return 1
	}
	return 0
}

// demo does it all and answers what went wrong.
func demo(ctx context.Context, file string, keep bool, out io.Writer) (err error) {
	_, _ = fmt.Fprintln(out, "Starting a Temporal server, a worker, a receiver and a mail server …")
	s, err := startSite(ctx, out)
	if err != nil {
		return err
	}
	defer func() {
		if stopped := s.stop(); err == nil {
			err = stopped
		}
	}()
	_, _ = fmt.Fprintf(out, "Web UI: %s/namespaces/%s/workflows\n\n", s.server.WebUI(), s.server.Namespace())
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	j := newJob(s, out)
	if err := j.submit(bounded, file); err != nil {
		return err
	}
	if err := j.follow(bounded); err != nil {
		return err
	}
	if err := j.conclude(bounded); err != nil {
		return err
	}
	if err := runCampaign(bounded, s, out); err != nil {
		return err
	}
	if keep {
		waitForInterrupt(ctx, s, out)
	}
	return nil
}

func waitForInterrupt(ctx context.Context, s *site, out io.Writer) {
	_, _ = fmt.Fprintf(out, `
All is left running until Ctrl-C. To look around, in another terminal:

  export TEMPORAL_ADDRESS=%s TEMPORAL_NAMESPACE=%s
  go run ./starter token show demo-abc
  go run ./starter list --status failed
  go run ./starter show delivery-062
  go run ./starter show spring-import -o json

Web UI: %s/namespaces/%s/workflows
`, s.server.Address(), s.server.Namespace(), s.server.WebUI(), s.server.Namespace())
	<-ctx.Done()
}
