// For `wrangler dev`: a Durable Object before a gateway on this machine takes the container's place.
import { DurableObject } from "cloudflare:workers";
import { answer, type Env } from "../src/worker";

interface TestEnv extends Env {
  PORT: string;
}

export class Gateway extends DurableObject<TestEnv> {
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const there = new URL(url.pathname + url.search, `http://127.0.0.1:${this.env.PORT}`);
    return fetch(new Request(there, request));
  }

  async getState(): Promise<{ status: string }> {
    return { status: "running" };
  }
}

export default { fetch: answer } satisfies ExportedHandler<TestEnv>;
