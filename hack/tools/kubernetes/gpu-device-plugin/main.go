// Command gpu-device-plugin offers a kubelet the GPUs that a file lists, through
// the same device plugin API a vendor's plugin uses. The kubelet then counts,
// allocates and releases them as it does real ones, and keeps counting when it
// or this program restarts.
//
// The file is JSON: {"count": 4, "unhealthy": [3]}. It is read again every
// second; a GPU listed as unhealthy leaves the node's allocatable count and
// comes back when it leaves the list.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

type options struct {
	resource string
	file     string
	sockets  string
	every    time.Duration
}

type inventory struct {
	Count     int   `json:"count"`
	Unhealthy []int `json:"unhealthy"`
}

func (i inventory) devices() []*api.Device {
	devices := make([]*api.Device, i.Count)
	for n := range devices {
		health := api.Healthy
		if slices.Contains(i.Unhealthy, n) {
			health = api.Unhealthy
		}
		devices[n] = &api.Device{ID: fmt.Sprintf("gpu-%d", n), Health: health}
	}
	return devices
}

func read(file string) (inventory, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return inventory{}, err
	}
	var found inventory
	if err := json.Unmarshal(raw, &found); err != nil {
		return inventory{}, fmt.Errorf("%s: %w", file, err)
	}
	if found.Count < 0 {
		return inventory{}, fmt.Errorf("%s: count is %d, it must be 0 or more", file, found.Count)
	}
	return found, nil
}

type plugin struct {
	api.UnimplementedDevicePluginServer
	options
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (p *plugin) PreStartContainer(context.Context, *api.PreStartContainerRequest) (*api.PreStartContainerResponse, error) {
	return &api.PreStartContainerResponse{}, nil
}

func (p *plugin) GetPreferredAllocation(context.Context, *api.PreferredAllocationRequest) (*api.PreferredAllocationResponse, error) {
	return &api.PreferredAllocationResponse{}, nil
}

// ListAndWatch sends the devices at once and then whenever the file's content
// differs from what was sent last. A file that cannot be read keeps the last
// known devices: a half-written edit must not take running pods' GPUs away.
func (p *plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	var sent string
	for {
		found, err := read(p.file)
		if err != nil {
			log.Printf("keeping the last known GPUs: %v", err)
		} else if now := fmt.Sprint(found); now != sent {
			if err := stream.Send(&api.ListAndWatchResponse{Devices: found.devices()}); err != nil {
				return err
			}
			log.Printf("offering %d GPUs as %s, unhealthy: %v", found.Count, p.resource, found.Unhealthy)
			sent = now
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-time.After(p.every):
		}
	}
}

// Allocate names the chosen GPUs to the container as NVIDIA's plugin does.
func (p *plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	answer := &api.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		answer.ContainerResponses = append(answer.ContainerResponses, &api.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(container.DevicesIds, ",")},
		})
	}
	return answer, nil
}

// register tells the kubelet under which socket this plugin answers.
func (p *plugin) register(endpoint string) error {
	connection, err := grpc.NewClient("unix://"+filepath.Join(p.sockets, "kubelet.sock"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = api.NewRegistrationClient(connection).Register(ctx, &api.RegisterRequest{
		Version:      api.Version,
		Endpoint:     endpoint,
		ResourceName: p.resource,
	}, grpc.WaitForReady(true))
	return err
}

// serve answers the kubelet until it goes away: a starting kubelet empties the
// socket folder, and a plugin that is to be known again must register again.
func (p *plugin) serve() error {
	const endpoint = "tierwise-gpu.sock"
	socket := filepath.Join(p.sockets, endpoint)
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, p)
	defer server.Stop()
	go func() {
		if err := server.Serve(listener); err != nil {
			log.Printf("stopped answering: %v", err)
		}
	}()
	if err := p.register(endpoint); err != nil {
		return fmt.Errorf("the kubelet does not take the registration: %w", err)
	}
	for {
		time.Sleep(p.every)
		if _, err := os.Stat(socket); err != nil {
			return fmt.Errorf("the kubelet restarted: %w", err)
		}
	}
}

func main() {
	var o options
	flag.StringVar(&o.resource, "resource", "nvidia.com/gpu", "extended resource to offer")
	flag.StringVar(&o.file, "file", "", "JSON file with count and unhealthy")
	flag.StringVar(&o.sockets, "sockets", "/var/lib/kubelet/device-plugins", "the kubelet's device plugin folder")
	flag.DurationVar(&o.every, "every", time.Second, "how often to look at the file and the socket")
	flag.Parse()
	if _, err := read(o.file); err != nil {
		log.Fatalf("--file: %v", err)
	}
	p := &plugin{options: o}
	for {
		log.Printf("registering again: %v", p.serve())
		time.Sleep(o.every)
	}
}
