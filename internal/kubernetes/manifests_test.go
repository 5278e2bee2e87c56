package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/seriatim-go/seriatim/internal/config"
)

const folder = "../../deploy/kubernetes"

// What follows is the part of Kubernetes' API that the manifests use. Any other
// field is refused: a misspelt one would be ignored, or refused by the cluster.
type (
	labels map[string]string

	metadata struct {
		Name   string
		Labels labels
	}
	selector struct {
		MatchLabels labels `yaml:"matchLabels"`
	}
	head struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   metadata
	}
	configMap struct {
		head `yaml:",inline"`
		Data map[string]string
	}
	disruptionBudget struct {
		head `yaml:",inline"`
		Spec struct {
			MaxUnavailable int `yaml:"maxUnavailable"`
			Selector       selector
		}
	}
	deployment struct {
		head `yaml:",inline"`
		Spec struct {
			Replicas int
			Selector selector
			Strategy struct {
				Type          string
				RollingUpdate struct {
					MaxUnavailable int `yaml:"maxUnavailable"`
					MaxSurge       int `yaml:"maxSurge"`
				} `yaml:"rollingUpdate"`
			}
			Template struct {
				Metadata struct{ Labels labels }
				Spec     pod
			}
		}
	}
	pod struct {
		AutomountServiceAccountToken  *bool `yaml:"automountServiceAccountToken"`
		TerminationGracePeriodSeconds int   `yaml:"terminationGracePeriodSeconds"`
		SecurityContext               struct {
			RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
			RunAsUser      int                   `yaml:"runAsUser"`
			RunAsGroup     int                   `yaml:"runAsGroup"`
			SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		TopologySpreadConstraints []struct {
			MaxSkew           int      `yaml:"maxSkew"`
			TopologyKey       string   `yaml:"topologyKey"`
			WhenUnsatisfiable string   `yaml:"whenUnsatisfiable"`
			LabelSelector     selector `yaml:"labelSelector"`
		} `yaml:"topologySpreadConstraints"`
		Containers []container
		Volumes    []struct {
			Name      string
			ConfigMap struct{ Name string } `yaml:"configMap"`
		}
	}
	container struct {
		Name, Image string
		Args        []string
		EnvFrom     []struct {
			ConfigMapRef *reference `yaml:"configMapRef"`
			SecretRef    *reference `yaml:"secretRef"`
		} `yaml:"envFrom"`
		Env   []struct{ Name, Value string }
		Ports []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		LivenessProbe  probe `yaml:"livenessProbe"`
		ReadinessProbe probe `yaml:"readinessProbe"`
		Resources      struct {
			Requests, Limits map[string]string
		}
		SecurityContext struct {
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Drop []string }
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	probe struct {
		HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
		PeriodSeconds    int                         `yaml:"periodSeconds"`
		TimeoutSeconds   int                         `yaml:"timeoutSeconds"`
		FailureThreshold int                         `yaml:"failureThreshold"`
	}
	reference struct {
		Name     string
		Optional bool
	}
)

// manifests are all objects of the folder.
type manifests struct {
	configMaps  map[string]configMap
	deployments []deployment
	budgets     []disruptionBudget
}

func load(t *testing.T) manifests {
	t.Helper()
	m := manifests{configMaps: map[string]configMap{}}
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for documents := yaml.NewDecoder(bytes.NewReader(content)); ; {
			var document yaml.Node
			if err := documents.Decode(&document); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err, file)
			}
			m.add(t, file, &document)
		}
	}
	return m
}

func (m *manifests) add(t *testing.T, file string, document *yaml.Node) {
	t.Helper()
	var object head
	require.NoError(t, document.Decode(&object), file)
	switch object.APIVersion + " " + object.Kind {
	case "v1 ConfigMap":
		var c configMap
		strictly(t, file, document, &c)
		m.configMaps[c.Metadata.Name] = c
	case "apps/v1 Deployment":
		var d deployment
		strictly(t, file, document, &d)
		m.deployments = append(m.deployments, d)
	case "policy/v1 PodDisruptionBudget":
		var b disruptionBudget
		strictly(t, file, document, &b)
		m.budgets = append(m.budgets, b)
	default:
		t.Errorf("%s: a %s of %s is not expected", file, object.Kind, object.APIVersion)
	}
	require.NotEmpty(t, object.Metadata.Name, file)
}

// strictly decodes a document that has no other fields than into has.
func strictly(t *testing.T, file string, document *yaml.Node, into any) {
	t.Helper()
	text, err := yaml.Marshal(document)
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into), file)
}

func TestWorkersOutliveTheirHandlersAndEachOther(t *testing.T) {
	t.Parallel()
	m := load(t)
	require.Len(t, m.deployments, 1)
	require.Len(t, m.budgets, 1)
	d, b := m.deployments[0], m.budgets[0]
	require.Equal(t, d.Spec.Selector, b.Spec.Selector)
	for key, value := range d.Spec.Selector.MatchLabels {
		require.Equal(t, value, d.Spec.Template.Metadata.Labels[key])
	}
	require.Equal(t, d.Spec.Selector, d.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector)
	require.Equal(t, 2, d.Spec.Replicas)
	require.Less(t, b.Spec.MaxUnavailable, d.Spec.Replicas, "one stays while a node is drained")
	require.Zero(t, d.Spec.Strategy.RollingUpdate.MaxUnavailable)
	require.Positive(t, d.Spec.Strategy.RollingUpdate.MaxSurge, "else an update does not move")

	grace := time.Duration(d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	require.Greater(t, grace, m.configuration(t).Worker.StopTimeout+5*time.Second)
}

// configuration is what a worker reads from its mounted file.
func (m manifests) configuration(t *testing.T) config.Config {
	t.Helper()
	pod := m.deployments[0].Spec.Template.Spec
	require.Equal(t, pod.Volumes[0].Name, pod.Containers[0].VolumeMounts[0].Name)
	mounted := m.configMaps[pod.Volumes[0].ConfigMap.Name]
	require.Equal(t, []string{"--config", filepath.Join(pod.Containers[0].VolumeMounts[0].MountPath, "config.yaml")}, pod.Containers[0].Args)
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(mounted.Data["config.yaml"]), 0o600))
	loaded, err := config.Load(file, func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	_, err = loaded.Catalogue()
	require.NoError(t, err)
	return loaded
}

// The probes ask what the worker serves, where its configuration has it serve.
func TestProbesAskTheWorker(t *testing.T) {
	t.Parallel()
	m := load(t)
	c := m.deployments[0].Spec.Template.Spec.Containers[0]
	require.Len(t, c.Ports, 1)
	_, port, err := net.SplitHostPort(m.configuration(t).Worker.HTTPAddress)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(c.Ports[0].ContainerPort), port)
	for path, p := range map[string]probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		require.Equal(t, path, p.HTTPGet.Path)
		require.Equal(t, c.Ports[0].Name, p.HTTPGet.Port)
	}
}

func TestPodNeedsNoPrivilege(t *testing.T) {
	t.Parallel()
	pod := load(t).deployments[0].Spec.Template.Spec
	require.Len(t, pod.Containers, 1)
	c := pod.Containers[0]
	require.True(t, pod.SecurityContext.RunAsNonRoot)
	require.Equal(t, 65532, pod.SecurityContext.RunAsUser, "as the Dockerfile says")
	require.Equal(t, "RuntimeDefault", pod.SecurityContext.SeccompProfile.Type)
	require.False(t, *pod.AutomountServiceAccountToken)
	require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
	require.True(t, c.SecurityContext.ReadOnlyRootFilesystem)
	require.Equal(t, []string{"ALL"}, c.SecurityContext.Capabilities.Drop)
	for _, mount := range c.VolumeMounts {
		require.True(t, mount.ReadOnly, mount.MountPath)
	}
	require.NotContains(t, c.Resources.Limits, "cpu", "a worker that is held back misses heartbeats")
	require.Equal(t, "1Gi", c.Resources.Limits["memory"])
	require.Equal(t, []struct{ Name, Value string }{{"GOMEMLIMIT", "900MiB"}}, c.Env, "Go collects before it is killed")
}

func TestConnectionComesFromAConfigMapAndAnOptionalSecret(t *testing.T) {
	t.Parallel()
	m := load(t)
	from := m.deployments[0].Spec.Template.Spec.Containers[0].EnvFrom
	require.Len(t, from, 2)
	connection, ok := m.configMaps[from[0].ConfigMapRef.Name]
	require.True(t, ok)
	require.Contains(t, connection.Data, "TEMPORAL_ADDRESS")
	require.Contains(t, connection.Data, "TEMPORAL_NAMESPACE")
	require.Equal(t, &reference{Name: "seriatim-temporal", Optional: true}, from[1].SecretRef)
}
