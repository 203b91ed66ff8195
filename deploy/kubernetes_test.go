package deploy

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// object is as much of a Kubernetes object as is looked at here.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Replicas int
		Selector any
		Ports    []struct{ Port int }
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				AutomountServiceAccountToken bool  `yaml:"automountServiceAccountToken"`
				EnableServiceLinks           *bool `yaml:"enableServiceLinks"`
				Grace                        int   `yaml:"terminationGracePeriodSeconds"`
				Volumes                      []struct {
					Name   string
					Secret struct {
						SecretName string `yaml:"secretName"`
					}
				}
				SecurityContext securityContext `yaml:"securityContext"`
				Containers      []container
			}
		}
		PodSelector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"podSelector"`
		Ingress []any
		// Of a HorizontalPodAutoscaler.
		MinReplicas    int                         `yaml:"minReplicas"`
		MaxReplicas    int                         `yaml:"maxReplicas"`
		ScaleTargetRef struct{ Kind, Name string } `yaml:"scaleTargetRef"`
	}
}

type securityContext struct {
	RunAsNonRoot             bool  `yaml:"runAsNonRoot"`
	RunAsUser                int   `yaml:"runAsUser"`
	AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
	ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
	Capabilities             struct{ Drop []string }
	SeccompProfile           struct{ Type string } `yaml:"seccompProfile"`
}

type probe struct {
	HTTPGet   *struct{ Path, Port string } `yaml:"httpGet"`
	TCPSocket *struct{ Port string }       `yaml:"tcpSocket"`
	Timeout   int                          `yaml:"timeoutSeconds"`
	Failures  int                          `yaml:"failureThreshold"`
	Period    int                          `yaml:"periodSeconds"`
}

type container struct {
	Image   string
	Command []string
	Ports   []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	SecurityContext securityContext `yaml:"securityContext"`
	ReadinessProbe  probe           `yaml:"readinessProbe"`
	LivenessProbe   probe           `yaml:"livenessProbe"`
	Resources       struct {
		Limits   struct{ Memory string }
		Requests struct{ CPU string }
	}
	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	Env []struct {
		Name, Value string
		ValueFrom   struct {
			ConfigMapKeyRef *struct{ Name, Key string } `yaml:"configMapKeyRef"`
			SecretKeyRef    *struct{ Name, Key string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
}

// manifests reads what kustomization.yaml names, and holds it to naming all that is there.
func manifests(t *testing.T) []object {
	t.Helper()
	text, err := os.ReadFile("kubernetes/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct{ Resources []string }
	if err := yaml.Unmarshal(text, &kustomization); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(kustomization.Resources)+1 {
		t.Errorf("kustomization.yaml names %v, and there is %v", kustomization.Resources, files)
	}
	var objects []object
	for _, name := range kustomization.Resources {
		f, err := os.Open(filepath.Join("kubernetes", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for d := yaml.NewDecoder(f); ; {
			var o object
			if err := d.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if o.Kind == "" || o.Metadata.Name == "" {
				t.Errorf("%s: an object without kind or name", name)
			}
			objects = append(objects, o)
		}
	}
	return objects
}

func named(objects []object, kind, name string) *object {
	for i, o := range objects {
		if o.Kind == kind && o.Metadata.Name == name {
			return &objects[i]
		}
	}
	return nil
}

func TestKubernetesRunsWhatTheDevRunnerRuns(t *testing.T) {
	t.Parallel()
	objects := manifests(t)
	table := fromTable(t)
	origins := named(objects, "ConfigMap", "origins")
	if origins == nil {
		t.Fatal("no ConfigMap origins")
	}
	programs, used := map[string]bool{}, map[string]bool{}
	for _, o := range objects {
		if o.Kind != "Deployment" {
			continue
		}
		name := o.Metadata.Name
		c := o.Spec.Template.Spec.Containers[0]
		program := "caddy"
		if c.Image == "maru" {
			program = filepath.Base(c.Command[0])
		} else if c.Image != "maru-gateway" {
			t.Errorf("%s: the Dockerfile makes no image %q", name, c.Image)
		}
		programs[program] = true
		env := map[string]string{}
		for _, e := range c.Env {
			env[e.Name] = e.Value
			if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil {
				value, ok := origins.Data[ref.Key]
				if !ok || ref.Name != "origins" {
					t.Errorf("%s: %s is taken from %s/%s, which is not there", name, e.Name, ref.Name, ref.Key)
				}
				env[e.Name], used[ref.Key] = value, true
			}
			if secret := strings.Contains(e.Name, "SECRET") || strings.HasPrefix(e.Name, "AUTHZ_MAIL_") ||
				strings.Contains(e.Name, "DATABASE_URL"); secret != (e.ValueFrom.SecretKeyRef != nil) {
				t.Errorf("%s: %s comes from a Secret: %v, want %v", name, e.Name, !secret, secret)
			}
		}
		agrees(t, table, process{"deployment " + name, program, env})
		starts(t, process{"deployment " + name, program, env})
		if program == "caddy" {
			if _, told := env["GATEWAY_TRUSTED_PROXIES"]; !told {
				t.Error("the gateway takes a load balancer for everybody who calls")
			}
			for _, setting := range []string{"GATEWAY_AUTHZ", "GATEWAY_USER", "GATEWAY_BOARD", "GATEWAY_DEMO"} {
				host, port, _ := strings.Cut(env[setting], ":")
				s := named(objects, "Service", host)
				if s == nil || len(s.Spec.Ports) != 1 || strconv.Itoa(s.Spec.Ports[0].Port) != port {
					t.Errorf("%s is %s, and no Service is there", setting, env[setting])
				}
			}
		} else if got := env[c.prefix()+"LISTEN"]; got != fmt.Sprintf("0.0.0.0:%d", c.Ports[0].ContainerPort) ||
			c.Ports[0].Name != "http" {
			t.Errorf("%s listens on %s, and the container's ports are %v", name, got, c.Ports)
		}
	}
	for key := range origins.Data {
		if !used[key] {
			t.Errorf("origins.yaml has %s, which no program is told", key)
		}
	}
	if len(programs) != len(table) {
		t.Errorf("runs %v, and the dev runner %d programs", programs, len(table))
	}
}

// prefix is that of the program's settings, as its first one has it.
func (c container) prefix() string {
	for _, e := range c.Env {
		if prefix, _, ok := strings.Cut(e.Name, "_"); ok {
			return prefix + "_"
		}
	}
	return ""
}

func TestKubernetesGivesNoPodMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	objects := manifests(t)
	if o := named(objects, "NetworkPolicy", "nothing-by-default"); o == nil ||
		len(o.Spec.PodSelector.MatchLabels) > 0 || len(o.Spec.Ingress) > 0 {
		t.Error("traffic is open by default")
	}
	for _, o := range objects {
		if o.Kind != "Deployment" {
			continue
		}
		name, pod := o.Metadata.Name, o.Spec.Template.Spec
		if !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser != 65532 ||
			pod.SecurityContext.SeccompProfile.Type != "RuntimeDefault" || pod.AutomountServiceAccountToken {
			t.Errorf("%s: %+v", name, pod.SecurityContext)
		}
		if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
			t.Errorf("%s: Kubernetes would set variables with our programs' prefixes", name)
		}
		for _, c := range pod.Containers {
			s := c.SecurityContext
			if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem ||
				!slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
				t.Errorf("%s: %+v", name, s)
			}
			if name == "gateway" {
				if c.ReadinessProbe.TCPSocket == nil || c.LivenessProbe.TCPSocket == nil {
					t.Errorf("%s: no probes", name)
				}
				continue
			}
			if r, l := c.ReadinessProbe.HTTPGet, c.LivenessProbe.HTTPGet; r == nil || l == nil ||
				r.Path != "/readyz" || l.Path != "/livez" || r.Port != "http" || l.Port != "http" {
				t.Errorf("%s: readiness %+v, liveness %+v", name, r, l)
			}
		}
		policy := named(objects, "NetworkPolicy", name)
		if policy == nil || !maps.Equal(policy.Spec.PodSelector.MatchLabels, o.Spec.Template.Metadata.Labels) {
			t.Errorf("%s: no network policy selects its pods", name)
		}
		replicas := o.Spec.Replicas
		if scaler := named(objects, "HorizontalPodAutoscaler", name); scaler != nil {
			if replicas != 0 { // each time that it is applied, it would undo what the scaler did
				t.Errorf("%s: the Deployment and its scaler both say how many replicas there are", name)
			}
			replicas = scaler.Spec.MinReplicas
			if to := scaler.Spec.ScaleTargetRef; to.Kind != "Deployment" || to.Name != name || scaler.Spec.MaxReplicas <= replicas {
				t.Errorf("%s: its scaler scales %+v, from %d to %d", name, to, replicas, scaler.Spec.MaxReplicas)
			}
			if cpu := pod.Containers[0].Resources.Requests.CPU; cpu == "" { // what it measures against
				t.Errorf("%s: scaled by CPU, and asks for none", name)
			}
		}
		if budget := named(objects, "PodDisruptionBudget", name); (budget != nil) != (replicas > 1) {
			t.Errorf("%s: %d replicas, disruption budget %v", name, replicas, budget != nil)
		}
	}
}
