package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// settings are the worker's options as this run recorded them.
type settings struct {
	SearchAttributes bool          `json:"searchAttributes"`
	Linger           time.Duration `json:"lingerNanoseconds"`
	MaxRunEvents     int           `json:"maxRunEvents"`
	MaxRunSignals    int           `json:"maxRunSignals"`
	NoLookBack       bool          `json:"noLookBack,omitempty"`
	LookLocally      bool          `json:"lookLocally,omitempty"`
	PageBytes        int           `json:"pageBytes,omitempty"`
	// AttributeNames are those of the search attributes; absent for the default ones.
	AttributeNames protocol.AttributeNames `json:"attributeNames,omitempty"`
	// Restricted are the types whose operations may not be cancelled.
	Restricted []restrictedType `json:"restricted,omitempty"`
	// LookAhead is absent where nothing is started ahead, as before there was any.
	LookAhead *LookAhead `json:"lookAhead,omitempty"`
	// KnowsAhead says that the run began on a worker that knows what was started ahead:
	// one of v0.1.0 leaves the marks of entries out, and so does whoever goes on with
	// its run.
	KnowsAhead bool `json:"knowsAhead,omitempty"`
}

func (s settings) knowsAhead() bool { return s.KnowsAhead || s.LookAhead != nil }

func settingsOf(o Options, c *catalogue.Catalogue) settings {
	recorded := settings{
		SearchAttributes: o.SearchAttributes, Linger: o.Linger, MaxRunEvents: o.MaxRunEvents, MaxRunSignals: o.MaxRunSignals,
		NoLookBack: o.NoLookBack, LookLocally: o.NothingBefore != nil, PageBytes: o.PageBytes, Restricted: restrictedTypes(c), AttributeNames: o.AttributeNames,
		KnowsAhead: true,
	}
	if o.LookAhead.Window > 0 {
		recorded.LookAhead = &o.LookAhead
	}
	return recorded
}

// recordSettings fixes for this run what the worker was configured with, and
// labels a new chain for the Web UI's filters.
func (s *serializer) recordSettings() error {
	recorded := workflow.SideEffect(s.ctx, func(workflow.Context) any {
		return settingsOf(s.options, s.catalogue)
	})
	if err := recorded.Get(&s.settings); err != nil {
		return err
	}
	s.queue.restored(workflow.GetInfo(s.ctx).FirstRunID, s.settings.PageBytes)
	s.queue.restrict(s.settings.Restricted)
	s.queue.leaveAhead(!s.settings.knowsAhead())
	if !s.settings.SearchAttributes || s.refused != "" || s.isLabelled() {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(s.ctx, s.keyword(protocol.DependencyTokenAttribute).ValueSet(protocol.TokenKey(s.queue.Token)))
}

// isLabelled says whether filters know the token already: from the chain's first
// run, unless the worker has been given other names since.
func (s *serializer) isLabelled() bool {
	if s.queue.Counts.Runs == 0 || len(s.settings.AttributeNames) == 0 {
		return s.queue.Counts.Runs > 0
	}
	return workflow.GetTypedSearchAttributes(s.ctx).ContainsKey(s.keyword(protocol.DependencyTokenAttribute))
}

// keyword is a search attribute under the name that this run recorded.
func (s *serializer) keyword(attribute string) temporal.SearchAttributeKeyKeyword {
	return keyword(s.settings.AttributeNames, attribute)
}
