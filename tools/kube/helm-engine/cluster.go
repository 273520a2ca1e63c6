package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"helm.sh/helm/v4/pkg/kube"
)

// discoveryLasts is how long a question about what the API serves may take; nobody can cancel it.
const discoveryLasts = 10 * time.Second
const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

// cluster is what is known of one API, as one user sees it. It outlives the acts.
type cluster struct {
	path, groups string
	digest       [sha256.Size]byte
	config       *rest.Config
	client       *http.Client
	discovery    discovery.CachedDiscoveryInterface
	mapper       *restmapper.DeferredDiscoveryRESTMapper
	mutex        sync.Mutex
	tag          string
}

// clusters remembers a cluster for every kubeconfig file and user, as long as the file is there and does not change.
type clusters struct {
	mutex sync.Mutex
	known map[string]*cluster
}

func (c *clusters) find(path, user string) (*cluster, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("kubernetes cluster unreachable: %w", err)
	}
	key, digest := path+"\x00"+user, sha256.Sum256(content)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if found := c.known[key]; found != nil && found.digest == digest {
		return found, nil
	}
	made, err := newCluster(path, user)
	if err != nil {
		return nil, fmt.Errorf("kubernetes cluster unreachable: %w", err)
	}
	maps.DeleteFunc(c.known, func(_ string, old *cluster) bool { _, gone := os.Stat(old.path); return gone != nil })
	made.digest, c.known[key] = digest, made
	return made, nil
}

func newCluster(path, user string) (*cluster, error) {
	config, err := loaderFor(path, "").ClientConfig()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 500, 1000
	if user != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: user}
	}
	patient := rest.CopyConfig(config)
	patient.Timeout = discoveryLasts
	client, err := rest.HTTPClientFor(patient)
	if err != nil {
		return nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	found, err := discovery.NewDiscoveryClientForConfigAndClient(patient, client)
	if err != nil {
		return nil, err
	}
	cached := memory.NewMemCacheClient(found)
	return &cluster{
		config: config, client: client, path: path, groups: base.JoinPath("apis").String(),
		discovery: cached, mapper: restmapper.NewDeferredDiscoveryRESTMapper(cached),
	}, nil
}

func loaderFor(path, namespace string) clientcmd.ClientConfig {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: path}
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: namespace}}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
}

// refresh asks whether the API still serves what it did, by the tag it gave its list, and forgets the list if not. So a
// kind that another release brought a moment ago is seen at once, at the price of one short answer.
func (c *cluster) refresh(ctx context.Context) error {
	question, err := http.NewRequestWithContext(ctx, http.MethodGet, c.groups, nil)
	if err != nil {
		return err
	}
	c.mutex.Lock()
	tag := c.tag
	c.mutex.Unlock()
	question.Header.Set("Accept", aggregated)
	if tag != "" {
		question.Header.Set("If-None-Match", tag)
	}
	said, err := c.client.Do(question)
	if err != nil {
		return fmt.Errorf("kubernetes cluster unreachable: %w", err)
	}
	defer said.Body.Close()
	_, _ = io.Copy(io.Discard, said.Body)
	if said.StatusCode == http.StatusNotModified {
		return nil
	}
	c.mutex.Lock()
	c.tag = said.Header.Get("ETag")
	c.mutex.Unlock()
	c.mapper.Reset()
	return nil
}

// visit is a cluster for the length of one act: requests end when ctx does.
type visit struct {
	*cluster
	ctx    context.Context
	loader clientcmd.ClientConfig
}

// ToRESTConfig returns a configuration of the caller's own: clients write into it.
func (v visit) ToRESTConfig() (*rest.Config, error) {
	own := rest.CopyConfig(v.config)
	own.Wrap(func(next http.RoundTripper) http.RoundTripper { return gate{v.ctx, next} })
	return own, nil
}

// ToDiscoveryClient returns what is known of the API; Helm's own wish to forget it is not heard.
func (v visit) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return remembering{v.discovery}, nil
}

func (v visit) ToRESTMapper() (meta.RESTMapper, error)        { return v.mapper, nil }
func (v visit) ToRawKubeConfigLoader() clientcmd.ClientConfig { return v.loader }

// remembering is a discovery client that Helm cannot make forget: refresh and the mapper see to that.
type remembering struct {
	discovery.CachedDiscoveryInterface
}

func (remembering) Invalidate() {}

// gate ends requests, also those under way, when ctx ends: Helm itself hands no context to most of them.
type gate struct {
	ctx  context.Context
	next http.RoundTripper
}

func (g gate) RoundTrip(asked *http.Request) (*http.Response, error) {
	if err := g.ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(asked.Context())
	stop := context.AfterFunc(g.ctx, cancel)
	said, err := g.next.RoundTrip(asked.WithContext(ctx))
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	said.Body = &gatedBody{said.Body, func() { stop(); cancel() }}
	return said, nil
}

type gatedBody struct {
	io.ReadCloser
	done func()
}

func (b *gatedBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

// client is Helm's client of the API without what costs most and tells nothing: the server refuses unknown fields itself.
type client struct {
	*kube.Client
	cluster *cluster
}

// IsReachable has been answered by refresh.
func (c client) IsReachable() error { return nil }

// Build reads manifests; kinds that are not known are looked for once more, in a list fetched anew.
func (c client) Build(source io.Reader, _ bool) (kube.ResourceList, error) {
	content, err := io.ReadAll(source)
	if err != nil {
		return nil, err
	}
	found, err := c.Client.Build(bytes.NewReader(content), false)
	if err != nil && (meta.IsNoMatchError(err) || strings.Contains(err.Error(), "no matches for kind")) {
		c.cluster.mapper.Reset()
		found, err = c.Client.Build(bytes.NewReader(content), false)
	}
	return found, err
}
