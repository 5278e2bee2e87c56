package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A comparison that cannot fail would prove nothing.
func TestCampaignCountsAreCompared(t *testing.T) {
	t.Parallel()
	var r results
	r.imported.Imported, r.imported.Updated, r.imported.Rejected = 1105, 12, 83
	r.spread.Members, r.spread.Created, r.spread.Excluded = 1105, 700, 405
	r.mailed.Recipients, r.mailed.Sent, r.mailed.RejectedCount = 700, 699, 1
	good := seen{contacts: 1105, inactive: 405, activities: 700, members: 700, rejects: 83, messages: 699, recipients: 699}
	require.Empty(t, compareCampaign(r, good))
	for name, spoil := range map[string]func(*seen){
		"a contact is missing":       func(s *seen) { s.contacts-- },
		"an active one was left out": func(s *seen) { s.inactive-- },
		"an activity is missing":     func(s *seen) { s.activities-- },
		"a member has two":           func(s *seen) { s.members-- },
		"a reject was lost":          func(s *seen) { s.rejects-- },
		"a message is missing":       func(s *seen) { s.messages-- },
		"somebody got two":           func(s *seen) { s.recipients-- },
		"the refused one got it":     func(s *seen) { s.toGone++ },
		"a stranger got it":          func(s *seen) { s.strangers++ },
	} {
		bad := good
		spoil(&bad)
		require.NotEmpty(t, compareCampaign(r, bad), name)
	}
}
