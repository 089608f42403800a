/**
 * The configuration in force. A reload takes over what may change without a restart and names the
 * rest in the log; a file that does not pass leaves everything as it was.
 */
import { applyReload, ConfigError, diffConfig, loadConfig, type Config } from "./config.ts";
import type { RootLog } from "../logger.ts";

export class ReloadableConfig {
  readonly #path: string;
  readonly #log: RootLog;
  #config: Config;

  constructor(path: string, config: Config, log: RootLog) {
    this.#path = path;
    this.#config = config;
    this.#log = log;
  }

  get config(): Config {
    return this.#config;
  }

  /** A wrong file changes nothing; only a defect throws. */
  reload(): void {
    let next: Config;
    try {
      next = loadConfig(this.#path);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const { message, problems } = error;
      this.#log.error({ why: message, problems }, "configuration not reloaded, old values kept");
      return;
    }
    const { changed, needsRestart } = diffConfig(this.#config, next);
    this.#config = applyReload(this.#config, next);
    this.#log.setLevel(this.#config.log.level);
    this.#log.info({ changed, needsRestart }, "configuration reloaded");
  }
}
