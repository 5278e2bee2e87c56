package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

const typesHelp = `List the operation types that a worker's configuration binds: what runs each, and
what may not be asked of its operations. --all adds those of the original service
that nothing runs: an operation of such a type ends Failed until an entry under
types: in config.yaml binds it.

The file is read, and no server is asked.`

const typesExample = `  starter types
  starter types --all --config /etc/seriatim/config.yaml
  starter types -o jsonl | jq -r 'select(.restrictions) | .key'`

func (a *app) typesCommand() *cobra.Command {
	var path string
	var all bool
	c := &cobra.Command{
		Use: "types", Short: "List the operation types that a configuration binds", Long: typesHelp, Example: typesExample,
		Args: arguments(0, 0, "flags only"),
		RunE: func(*cobra.Command, []string) error {
			known, err := a.configured(path)
			if err != nil {
				return err
			}
			types := known.Types()
			if all {
				types = append(types, known.Unbound()...)
			}
			return a.printTypes(types)
		},
	}
	configFlag(c, &path)
	c.Flags().BoolVar(&all, "all", false, "also those of the original service that nothing runs")
	return c
}

// typeOutput is a type as machines read it.
type typeOutput struct {
	Key          string                `json:"key"`
	Number       int                   `json:"number,omitempty"`
	Label        string                `json:"label"`
	Bound        bool                  `json:"bound"`
	Activity     string                `json:"activity,omitempty"`
	Workflow     string                `json:"workflow,omitempty"`
	Workflows    []catalogue.Workflow  `json:"workflows,omitempty"`
	TaskQueue    string                `json:"taskQueue,omitempty"`
	Execution    catalogue.Execution   `json:"execution,omitempty"`
	Restrictions protocol.Restrictions `json:"restrictions,omitempty"`
}

func (a *app) printTypes(types []catalogue.Type) error {
	results := series{app: a}
	rows := &table{header: []string{"NUMBER", "KEY", "LABEL", "RUN BY", "TASK QUEUE", "RESTRICTIONS"}, status: -1}
	for _, t := range types {
		b := t.Binding
		if err := results.add(typeOutput{
			Key: t.Key, Number: t.Number, Label: t.Label, Bound: t.Bound(), Restrictions: t.Restrictions,
			Activity: b.Activity, Workflow: b.Workflow, Workflows: b.Workflows, TaskQueue: b.TaskQueue, Execution: b.Execution,
		}); err != nil {
			return err
		}
		rows.rows = append(rows.rows, []string{
			number(t.Number), printable(t.Key), printable(t.Label), printable(runBy(b)), printable(b.TaskQueue), restrictionsText(t.Restrictions),
		})
	}
	if a.output == outputText && len(rows.rows) == 0 {
		a.note("the configuration binds no type")
	} else if a.output == outputText {
		rows.write(a.stdout, false)
	}
	return results.end()
}

// runBy says what runs the operations of a type.
func runBy(b catalogue.Binding) string {
	if len(b.Workflows) > 0 {
		names := make([]string, len(b.Workflows))
		for i, w := range b.Workflows {
			names[i] = w.Name + " (" + cmp.Or(w.TaskQueue, "the worker's queue") + ")"
		}
		return "workflows " + strings.Join(names, ", ")
	}
	switch {
	case b.Workflow != "":
		return "workflow " + b.Workflow
	case b.Execution == catalogue.ExecutionLocal:
		return "local activity " + b.Activity
	case b.Activity != "":
		return "activity " + b.Activity
	}
	return "nothing"
}

func restrictionsText(r protocol.Restrictions) string {
	return strings.Trim(fmt.Sprint(r), "[]")
}
