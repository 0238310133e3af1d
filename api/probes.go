package api

import (
	_ "embed"

	"github.com/valyala/fasthttp"
)

// openAPI describes the API for programs. A test compares it with the routes.
//
//go:embed openapi.json
var openAPI []byte

var (
	replyAlive  = []byte(`{"status":"alive"}`)
	metricsType = []byte("text/plain; version=0.0.4; charset=utf-8")
)

// getHealth says that the process answers; nothing else.
func (x *exchange) getHealth() { x.reply(200, replyAlive) }

// getReadiness says whether requests should be sent here, and if not, why.
func (x *exchange) getReadiness() {
	readiness := x.server.service.Ready()
	reply := append(x.scratch[:0], `{"ready":`...)
	if readiness.Ready {
		reply = append(reply, "true"...)
	} else {
		reply = append(reply, "false"...)
	}
	reply = appendTexts(append(reply, `,"reasons":`...), readiness.Reasons)
	reply = appendTexts(append(reply, `,"warnings":`...), readiness.Warnings)
	x.scratch = append(reply, '}')
	if readiness.Ready {
		x.replyScratch(200)
		return
	}
	x.ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
	x.replyScratch(503)
}

func appendTexts(dst []byte, texts []string) []byte {
	dst = append(dst, '[')
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, text)
	}
	return append(dst, ']')
}

// getMetrics answers with the metrics of the API, then with those of the node.
func (x *exchange) getMetrics() {
	x.ctx.Response.Header.SetContentTypeBytes(metricsType)
	x.server.metrics.write(x.ctx)
	x.server.service.WriteMetrics(x.ctx)
}

func (x *exchange) getOpenAPI() { x.reply(200, openAPI) }
