package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seriatim-go/seriatim/internal/attributes"
	"github.com/seriatim-go/seriatim/protocol"
)

const setupHelp = `Create on the server what is missing there: the search attributes, by which
operations are listed and filtered, and with --create-namespace the namespace. It
waits until they can be used, and may be repeated: what is there is left as it is.

A search attribute that is there with another type is refused by name; the worker's
configuration (searchAttributes.names) gives it another name. Where this
connection may not create them, as on Temporal Cloud, the commands that do are
printed instead. Restart workers that have been running without them.

Exit code 9 says that the server is not set up, and why.`

const setupExample = `  starter setup --dry-run
  starter setup
  starter setup --namespace orders --create-namespace --retention 168h
  starter setup --search-attribute-names OperationStatus=AcmeOperationStatus`

// setupPause is the time between two looks at what is not there yet.
const setupPause = 250 * time.Millisecond

// setupFlags are those of setup.
type setupFlags struct {
	createNamespace, dryRun bool
	retention, timeout      time.Duration
	config                  string
}

func (a *app) setupCommand() *cobra.Command {
	var f setupFlags
	c := &cobra.Command{
		Use: "setup", Short: "Create the search attributes, and if asked to the namespace", Long: setupHelp, Example: setupExample,
		Args: arguments(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case c.Flags().Changed("retention") && !f.createNamespace:
				return usagef("--retention goes with --create-namespace; that of a namespace that is there is not changed")
			case f.retention <= 0 || f.timeout <= 0:
				return usagef("--retention and --timeout are more than 0")
			}
			if _, err := a.catalogueOf(f.config); err != nil {
				return err
			}
			names, err := a.names()
			if err != nil {
				return err
			}
			temporal, err := a.connection.dial(c, a.environment, a.dial)
			if err != nil {
				return err
			}
			defer temporal.Close()
			ctx, cancel := context.WithTimeout(c.Context(), f.timeout)
			defer cancel()
			s := &setup{app: a, temporal: temporal, flags: f, namespace: a.connection.dialled.Namespace, names: names}
			return s.run(ctx)
		},
	}
	c.Flags().BoolVar(&f.createNamespace, "create-namespace", false, "create the namespace where it is missing")
	c.Flags().DurationVar(&f.retention, "retention", 72*time.Hour, "how long the namespace that is created keeps completed operations")
	c.Flags().StringVar(&f.config, "config", "", "the worker's configuration, whose searchAttributes.names are created")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be created, and create nothing")
	c.Flags().DurationVar(&f.timeout, "timeout", 2*time.Minute, "how long it may take until all can be used")
	return c
}

// unfitError says that the server lacks what Seriatim needs.
type unfitError struct{ message string }

func (e *unfitError) Error() string { return e.message }

func unfit(format string, args ...any) error { return &unfitError{fmt.Sprintf(format, args...)} }

// What became of a part of the setup.
const (
	setupPresent = "present"
	setupCreated = "created"
	setupMissing = "missing" // of a dry run
)

// setupStep is one part of the setup, as machines read it.
type setupStep struct {
	Part string `json:"part"`
	Name string `json:"name"`
	// Type is that of a search attribute.
	Type  string `json:"type,omitempty"`
	State string `json:"state"`
}

// setup creates what is missing in a namespace.
type setup struct {
	app       *app
	temporal  client.Client
	flags     setupFlags
	namespace string
	names     protocol.AttributeNames
	steps     []setupStep
}

// run prints what was done, also where the rest could not be.
func (s *setup) run(ctx context.Context) error {
	missing, err := s.ensureNamespace(ctx)
	if err == nil && missing {
		s.addAttributes(attributes.Names(s.names), setupMissing)
	} else if err == nil {
		err = s.ensureAttributes(ctx)
	}
	return errors.Join(s.print(), err)
}

func (s *setup) add(part, name, state string) {
	s.steps = append(s.steps, setupStep{part, name, s.names.Types()[name], state})
}

func (s *setup) addAttributes(names []string, state string) {
	for _, name := range names {
		s.add("search attribute", name, state)
	}
}

func (s *setup) print() error {
	if s.app.output == outputText {
		rows := &table{header: []string{"STATE", "PART", "NAME", "TYPE"}}
		for _, step := range s.steps {
			rows.rows = append(rows.rows, []string{step.State, step.Part, printable(step.Name), step.Type})
		}
		if len(rows.rows) > 0 {
			rows.write(s.app.stdout, s.app.colored())
		}
		return nil
	}
	results := series{app: s.app}
	for _, step := range s.steps {
		if err := results.add(step); err != nil {
			return err
		}
	}
	return results.end()
}

// ensureNamespace creates the namespace where it is missing and that is wanted.
// It is still missing after a dry run.
func (s *setup) ensureNamespace(ctx context.Context) (missing bool, err error) {
	_, err = s.temporal.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.namespace})
	var absent *serviceerror.NamespaceNotFound
	switch {
	case err == nil:
		s.add("namespace", s.namespace, setupPresent)
		return false, nil
	case !errors.As(err, &absent):
		return false, fmt.Errorf("look at namespace %q: %w", s.namespace, err)
	case !s.flags.createNamespace:
		return false, unfit("namespace %q is not there; create it with --create-namespace, or name another one with --namespace", s.namespace)
	case s.flags.dryRun:
		s.add("namespace", s.namespace, setupMissing)
		return true, nil
	}
	return false, s.createNamespace(ctx)
}

func (s *setup) createNamespace(ctx context.Context) error {
	_, err := s.temporal.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: s.namespace, WorkflowExecutionRetentionPeriod: durationpb.New(s.flags.retention),
	})
	var raced *serviceerror.NamespaceAlreadyExists
	switch {
	case attributes.Denied(err):
		return unfit("namespace %q is not there, and this connection may not create it: %s\n%s", s.namespace, err, namespaceCommands(s.namespace, s.flags.retention))
	case errors.As(err, &raced):
		s.add("namespace", s.namespace, setupPresent)
		return nil
	case err != nil:
		return fmt.Errorf("create namespace %q with retention %s: %w", s.namespace, s.flags.retention, err)
	}
	s.add("namespace", s.namespace, setupCreated)
	return nil
}

// ensureAttributes creates those that are missing and waits until all can be
// used. The server may not know a new namespace everywhere yet.
func (s *setup) ensureAttributes(ctx context.Context) error {
	var state attributes.State
	err := s.patiently(ctx, func() (err error) {
		state, err = attributes.Read(ctx, s.temporal, s.namespace, s.names)
		return err
	})
	switch {
	case attributes.Denied(err):
		return unfit("this connection may not read the search attributes of namespace %q: %s\n%s", s.namespace, err, attributeCommands(s.namespace, s.names, attributes.Names(s.names)))
	case err != nil:
		return fmt.Errorf("read the search attributes of namespace %q: %w", s.namespace, err)
	}
	s.addAttributes(state.Present, setupPresent)
	if len(state.Wrong) > 0 {
		return wrongAttributes(s.namespace, state)
	}
	if s.flags.dryRun {
		s.addAttributes(state.Missing, setupMissing)
		return nil
	}
	return s.createAttributes(ctx, state.Missing)
}

func (s *setup) createAttributes(ctx context.Context, missing []string) error {
	if len(missing) > 0 {
		err := s.patiently(ctx, func() error { return attributes.Add(ctx, s.temporal, s.namespace, s.names, missing) })
		var invalid *serviceerror.InvalidArgument
		switch {
		case errors.As(err, &invalid): // such as: no more of a type fit in
			return unfit("namespace %q does not take the search attributes %s: %s", s.namespace, strings.Join(missing, ", "), err)
		case attributes.Denied(err):
			return unfit("this connection may not create search attributes in namespace %q: %s\n%s", s.namespace, err, attributeCommands(s.namespace, s.names, missing))
		case err != nil:
			return fmt.Errorf("create the search attributes %s in namespace %q: %w", strings.Join(missing, ", "), s.namespace, err)
		}
	}
	s.addAttributes(missing, setupCreated)
	if err := s.patiently(ctx, func() error { return attributes.Usable(ctx, s.temporal, s.namespace, s.names) }); err != nil {
		return fmt.Errorf("wait for the search attributes of namespace %q: %w", s.namespace, err)
	}
	return nil
}

// patiently repeats what fails because something new is not known everywhere yet.
func (s *setup) patiently(ctx context.Context, try func() error) error {
	for {
		err := try()
		var early *attributes.NotYetError
		var unknown *serviceerror.NamespaceNotFound
		var away *serviceerror.Unavailable
		if !errors.As(err, &early) && !errors.As(err, &unknown) && !errors.As(err, &away) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(setupPause):
		}
	}
}

// wrongAttributes refuses attributes that somebody else uses for something else.
func wrongAttributes(namespace string, state attributes.State) error {
	var b strings.Builder
	fmt.Fprintf(&b, "namespace %q has search attributes of these names with another type, and nothing was created:", namespace)
	for _, mismatch := range state.Wrong {
		fmt.Fprintf(&b, "\n%s", mismatch)
	}
	b.WriteString("\nGive Seriatim's other names (--search-attribute-names, and searchAttributes.names of the workers), give it a namespace of its own, or rename what is there if nothing uses it.")
	return &unfitError{b.String()}
}

func attributeCommands(namespace string, names protocol.AttributeNames, missing []string) string {
	return strings.Join([]string{
		"Have one of these done, and run this again to see that it is:",
		"on Temporal Cloud, as an admin of the namespace:",
		"    " + attributes.CloudCommand(namespace, names, missing),
		"    or https://cloud.temporal.io/namespaces/" + namespace + " > Edit > Custom Search Attributes",
		"on a server of your own, as its operator:",
		"    " + attributes.CreateCommand(namespace, names, missing),
	}, "\n")
}

func namespaceCommands(namespace string, retention time.Duration) string {
	days := max(1, int((retention+24*time.Hour-1)/(24*time.Hour)))
	return strings.Join([]string{
		"Have one of these done, and run this again:",
		"on Temporal Cloud, as an admin of the account:",
		fmt.Sprintf("    tcld namespace create --namespace %s --region <region> --retention-days %d --ca-certificate-file <ca.pem>", namespace, days),
		"    or https://cloud.temporal.io/namespaces > Create Namespace",
		"on a server of your own, as its operator:",
		fmt.Sprintf("    temporal operator namespace create --namespace %s --retention %s", namespace, retention),
	}, "\n")
}
