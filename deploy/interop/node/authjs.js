// Serves Auth.js without a framework around it, as the adapters for frameworks do: https://authjs.dev/reference/core.
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { Auth } from '@auth/core'
import { config } from './authjs.config.js'

const port = Number(process.env.PORT)
const origin = `http://127.0.0.1:${port}`
const settings = { ...config, basePath: '/auth', secret: process.env.AUTH_SECRET, trustHost: true }

createServer(async (request, response) => {
  const body = request.method === 'POST' ? { body: Readable.toWeb(request), duplex: 'half' } : {}
  const answer = await Auth(new Request(origin + request.url, { method: request.method, headers: request.headers, ...body }), settings)
  response.writeHead(answer.status, [...answer.headers].flat())
  response.end(Buffer.from(await answer.arrayBuffer()))
}).listen(port, '127.0.0.1')
