package program

import "fmt"

// NginxFile is the name of nginx's configuration in its folder.
const NginxFile = "nginx.conf"

// An Nginx is how nginx is set up in front of a service. It keeps all its files in its
// folder, and has two zones of limits by the client's address: rate and together.
type Nginx struct {
	Listen, Service string // addresses
	Rate            string // of the zone rate, as in 200r/s
	HTTP            string // directives beside the server's
	Location        string // directives of the one location beside /ready, which is not limited
}

// Refusals are logged as errors by nginx: the log starts at what is worse.
const nginxConfig = `daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log crit;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    limit_req_zone $binary_remote_addr zone=rate:1m rate=%[3]s;
    limit_conn_zone $binary_remote_addr zone=together:1m;
    %[4]s
    upstream service {
        server %[2]s;
        keepalive 64;
    }
    server {
        listen %[1]s;
        location = /ready { return 200; }
        location / {
            %[5]s
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
    }
}
`

// Config returns what is to stand in NginxFile.
func (n Nginx) Config() string {
	return fmt.Sprintf(nginxConfig, n.Listen, n.Service, n.Rate, n.HTTP, n.Location)
}

// NginxArgs are the arguments that nginx is started with in a folder.
func NginxArgs(dir string) []string { return []string{"-p", dir, "-c", NginxFile, "-e", "error.log"} }

// NginxStatuses comes after the limits of a location and tells the two apart: by default both refuse with 503.
const NginxStatuses = `
            limit_req_status 429;
            limit_conn_status 503;`
