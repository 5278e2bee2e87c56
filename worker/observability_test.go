package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const observability = "../deploy/observability/"

// series are names of metrics in an expression.
var series = regexp.MustCompile(`\b(?:seriatim|temporal|go|process)_[a-z_]+`)

// dashboard is as much of Grafana's form as its own check needs.
type dashboard struct {
	Title, UID string
	Panels     []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ RefID, Expr string }
	}
}

func TestDashboardIsWhole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(observability + "dashboard.json")
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	require.NotEmpty(t, d.UID)
	require.NotEmpty(t, d.Panels)
	ids := map[int]bool{}
	for _, p := range d.Panels {
		require.False(t, ids[p.ID], "id %d of %q is taken", p.ID, p.Title)
		ids[p.ID] = true
		require.NotEmpty(t, p.Targets, p.Title)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for _, target := range p.Targets {
			require.NotEmpty(t, target.Expr, p.Title)
			require.False(t, strings.Contains(target.Expr, "sum(seriatim_tokens"), "a gauge of all tokens is not summed up")
		}
	}
}

// What the dashboard and the alerts ask for is exposed; internal/e2e holds the
// names of the SDK's to a scrape.
func TestDashboardAndAlertsNameWhatIsExposed(t *testing.T) {
	t.Parallel()
	var exposed []string
	for _, d := range all() {
		exposed = append(exposed, d.exposed())
		if d.kind == histogram {
			exposed = append(exposed, d.exposed()+"_bucket")
		}
	}
	for _, file := range []string{"dashboard.json", "alerts.yml", "alerts_test.yml"} {
		text, err := os.ReadFile(observability + file)
		require.NoError(t, err)
		for _, name := range series.FindAllString(string(text), -1) {
			if strings.HasPrefix(name, "seriatim_") {
				require.Contains(t, exposed, name, file)
			}
		}
	}
}

func TestEachAlertIsDocumentedAndTested(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/observability.md")
	require.NoError(t, err)
	tests, err := os.ReadFile(observability + "alerts_test.yml")
	require.NoError(t, err)
	text, err := os.ReadFile(observability + "alerts.yml")
	require.NoError(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &rules))
	require.NotEmpty(t, rules.Groups)
	for _, rule := range rules.Groups[0].Rules {
		require.Contains(t, string(docs), `<a id="`+rule.Alert+`"></a>`)
		require.Contains(t, string(docs), "**"+rule.Alert+"**")
		require.True(t, strings.HasSuffix(rule.Annotations["runbook_url"], "docs/observability.md#"+rule.Alert), rule.Alert)
		require.Contains(t, string(tests), "alertname: "+rule.Alert)
	}
}

// Prometheus' own tool checks its configuration and the alerts, and fires them.
func TestAlertsFireOnWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not on PATH: it is in Debian's package prometheus")
	}
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"}, {"check", "config", "compose.yml"}, {"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"},
	} {
		command := exec.CommandContext(t.Context(), promtool, args...)
		command.Dir = observability
		output, err := command.CombinedOutput()
		require.NoError(t, err, "%s\n%s", strings.Join(args, " "), output)
		require.False(t, slices.Contains(strings.Fields(string(output)), "FAILED:"))
	}
}
