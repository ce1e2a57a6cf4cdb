// HTTP/1.1 with Node's cluster, whose handlers compute. Usage: cluster_node.js PORT PROCESSES.
const cluster = require('node:cluster');

const { compute } = require('./compute.js');
const { listen } = require('./http_node.js');

const [port, processes] = process.argv.slice(2).map(Number);
const steps = Number(process.env.BENCH_STEPS);

const WARM = 1000; // times, until the compiler has done its best: in the first seconds the server would be an interpreter

let last = 0; // what nobody looks at is not computed
if (cluster.isPrimary) {
  for (let worker = 0; worker < processes; worker++) cluster.fork();
} else {
  for (let time = 0; time < WARM; time++) last = compute(steps);
  listen(port, () => { last = compute(steps); }).on('listening', () => console.log('ready to serve'));
}
process.on('exit', () => { if (last < 0) console.log(last); });
