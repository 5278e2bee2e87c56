package main

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const handlersHelp = `List the handlers that a worker's configuration registers for events, and how many
operations of each have started and are not completed: what still needs it.
Operations that queue behind others of their token are not counted. Where the
server's index cannot tell, a note says so, and the column is left out.

To give a handler up, remove its entry under events: in config.yaml and restart
the workers: new events make no operations for it, and those that have not
started end Failed and name what to add. Keep the entry and stop its worker, and
they wait.`

const handlersExample = `  starter handlers
  starter handlers --config /etc/seriatim/config.yaml -o jsonl`

func (a *app) handlersCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "handlers", Short: "List the handlers that are registered for events", Long: handlersHelp, Example: handlersExample,
		Args: arguments(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			known, err := a.configured(path)
			if err != nil {
				return err
			}
			operations, closeClient, err := a.connect(c, opclient.Options{Catalogue: known})
			if err != nil {
				return err
			}
			defer closeClient()
			return a.printHandlers(c, operations, known)
		},
	}
	configFlag(c, &path)
	return c
}

// handlerOutput is a registration as machines read it.
type handlerOutput struct {
	Name      string           `json:"name"`
	Message   string           `json:"message,omitempty"`
	Entity    string           `json:"entity,omitempty"`
	Type      protocol.TypeRef `json:"type"`
	Activity  string           `json:"activity,omitempty"`
	Workflow  string           `json:"workflow,omitempty"`
	TaskQueue string           `json:"taskQueue,omitempty"`
	Token     string           `json:"token,omitempty"`
	// Open is absent where the server could not tell.
	Open *int64 `json:"open,omitempty"`
}

func (a *app) printHandlers(c *cobra.Command, operations *opclient.Client, known *catalogue.Catalogue) error {
	results := series{app: a}
	rows := &table{header: []string{"HANDLER", "MESSAGE", "ENTITY", "TYPE", "RUN BY", "TASK QUEUE", "TOKEN", "OPEN"}, status: -1}
	for _, h := range known.Events() {
		t, _ := known.Lookup(h.Key())
		out := handlerOutput{
			Name: h.Name, Message: h.MessageName, Entity: h.PrimaryEntityType, Type: protocol.TypeRef(t.Key), Token: h.DependencyToken,
			Activity: t.Binding.Activity, Workflow: t.Binding.Workflow, TaskQueue: t.Binding.TaskQueue,
		}
		open := ""
		if n, err := operations.CountOpen(c.Context(), out.Type); err != nil {
			a.noteOnce(fmt.Sprintf("how many operations are open is not known: %v", err))
		} else {
			out.Open, open = &n, strconv.FormatInt(n, 10)
		}
		if err := results.add(out); err != nil {
			return err
		}
		rows.rows = append(rows.rows, []string{
			printable(h.Name), printable(cmp.Or(h.MessageName, "any")), printable(cmp.Or(h.PrimaryEntityType, "any")), printable(t.Key),
			printable(runBy(t.Binding)), printable(t.Binding.TaskQueue), printable(h.DependencyToken), open,
		})
	}
	if a.output == outputText && len(rows.rows) == 0 {
		a.note("the configuration registers no handler")
	} else if a.output == outputText {
		rows.write(a.stdout, false)
	}
	return results.end()
}
