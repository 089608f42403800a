/**
 * The configuration in force. A reload applies what can change without a restart and logs which
 * keys cannot; a file with mistakes changes nothing.
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

  /** An invalid file changes nothing. Throws only on a defect. */
  reload(): void {
    let next: Config;
    try {
      next = loadConfig(this.#path);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const { message, problems } = error;
      this.#log.error(
        { why: message, problems },
        "configuration not reloaded; keeping the old values",
      );
      return;
    }
    const { changed, needsRestart } = diffConfig(this.#config, next);
    this.#config = applyReload(this.#config, next);
    this.#log.setLevel(this.#config.log.level);
    this.#log.info({ changed, needsRestart }, "reloaded the configuration");
  }
}
