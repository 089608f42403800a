/** Before each unit test file: its process gives way to the hosts, whose tests measure times. */
import { getPriority, setPriority } from "node:os";

const NICE = 10;

if (getPriority() < NICE) setPriority(NICE);
