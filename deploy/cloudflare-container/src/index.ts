import { Container } from "@cloudflare/containers";
import { answer, type Env } from "./worker";

/** One container with the gateway in it, which sleeps when nobody asks. */
export class Gateway extends Container<Env> {
  override defaultPort = 4747;
  override sleepAfter = "10m";
  override pingEndpoint = "127.0.0.1/ping";

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx as never, env);
    this.envVars = environment(env);
  }

  override onStart(): void {
    console.log("the container has started");
  }

  override onStop({ exitCode, reason }: { exitCode: number; reason: string }): void {
    console.log(`the container has stopped: ${reason}, status ${exitCode}`);
  }

  override onError(error: unknown): void {
    console.error("the container failed", error);
    throw error;
  }
}

/** Every setting and secret whose name begins with DRAGOMAN_, and the clients' key: the gateway asks for it, too. */
export function environment(env: Env): Record<string, string> {
  const isOurs = ([name, value]: [string, unknown]) =>
    (name.startsWith("DRAGOMAN_") || name === "PROXY_API_KEY") && typeof value === "string";
  const ours = Object.entries(env).filter(isOurs) as [string, string][];
  // Only the Worker reaches it, under the Worker's own name.
  return { ...Object.fromEntries(ours), DRAGOMAN_SERVER_ALLOWED_HOSTS: "*" };
}

export default { fetch: answer } satisfies ExportedHandler<Env>;
