//! What the controller needs while a process writes into its log as fast as it can.

use std::time::{Duration, Instant};

use crate::site::harness::Site;
use crate::site::probe::Process;
use crate::{AGENT, say, without_servers};

/// As long as it takes until the controller has looked through all logs once, and compressed what was rotated.
const TIME: Duration = Duration::from_secs(75);

/// Prints a row of it.
pub fn print() {
    let mut site = Site::new();
    without_servers(&site);
    let line = "x".repeat(99);
    site.write_spec(
        "stack.yaml",
        &format!(
            "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {{name: four}}\nspec: {{processes: \
             {{flood: {{run: [yes, {line}]}}}}}}\n"
        ),
    );
    site.write_spec("agent-1.yaml", AGENT);
    site.start();
    site.ready("agent-1");
    let (controller, shims) = (Process::of(&site), Process::shims(&site));
    let shim = shims.first().expect("the process has a shim");
    let (begun, cpu, written) = (Instant::now(), controller.cpu(), shim.written());
    std::thread::sleep(TIME);
    let took = begun.elapsed().as_secs_f64();
    let share = 100.0 * controller.cpu().saturating_sub(cpu).as_secs_f64() / took;
    let rate = (shim.written() - written) as f64 / took / f64::from(1 << 20);
    say(&format!(
        "| log of one process that floods it for {took:.0} s: {rate:.0} MiB/s, processor of the controller | {share:.2} % of \
         a core |||| < 1 % |"
    ));
}
