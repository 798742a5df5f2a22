/**
 * Measures models/energy as the papers do: mean squared and mean absolute error of every 24-hour forecast that lies within
 * the four months of validation and of test, all seven columns, standardised by the training months.
 *
 *     node models/energy/measure.mjs ETTh1.csv
 *
 * One stream reads the file from its first row, so its state is as old as the data. Beside it stand the forecasts that
 * take no model: the last reading again and again, and the last day.
 */

import { fileURLToPath } from 'node:url';
import { loadModel } from 'rivulet';
import { forecastTask, repeatLast, Scaler, seasonalNaive } from 'rivulet/sequences';
import { readTable } from '../table.mjs';

const MONTH = 30 * 24;
const SPLITS = { validation: [12 * MONTH, 16 * MONTH], test: [16 * MONTH, 20 * MONTH] };

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: node models/energy/measure.mjs ETTh1.csv');
  process.exit(2);
}
const model = await loadModel(fileURLToPath(new URL('model.safetensors', import.meta.url)));
const { columns, horizon, season } = forecastTask(model);
const table = readTable(file);
const rows = table[columns[0]].length;
const width = columns.length;
const data = Array.from({ length: rows * width }, (_, i) => Number(table[columns[i % width]][Math.floor(i / width)]));
const readings = Scaler.of(model).transform(data);

const forecasts = model.createStream().run(readings); // [rows, horizon, width]
const methods = {
  model: (row) => forecasts.subarray(row * horizon * width, (row + 1) * horizon * width),
  'last day': baseline(seasonalNaive(season)),
  'last reading': baseline(repeatLast),
};
console.log(`${'split'.padEnd(12)}${'forecast'.padEnd(14)}${'MSE'.padEnd(8)}MAE`);
for (const [split, [begin, end]] of Object.entries(SPLITS)) {
  for (const [name, forecast] of Object.entries(methods)) {
    const { mse, mae } = errors(forecast, begin, Math.min(end, rows));
    console.log(`${split.padEnd(12)}${name.padEnd(14)}${mse.toFixed(4).padEnd(8)}${mae.toFixed(4)}`);
  }
}
const [begin, end] = SPLITS.test;
const perColumn = columns.map((name, i) => `${name} ${errors(methods.model, begin, end, i).mse.toFixed(3)}`);
console.log(`test, MSE of the model by column: ${perColumn.join(', ')}`);

/** Over the forecasts whose hours all lie in the rows begin to end - 1; of one column, or of all. */
function errors(forecast, begin, end, column) {
  let squares = 0;
  let absolutes = 0;
  let count = 0;
  for (let row = begin - 1; row < end - horizon; row++) {
    const y = forecast(row);
    for (let i = 0; i < y.length; i++) {
      if (column !== undefined && i % width !== column) continue;
      const error = y[i] - readings[(row + 1) * width + i];
      squares += error * error;
      absolutes += Math.abs(error);
      count++;
    }
  }
  return { mse: squares / count, mae: absolutes / count };
}

function baseline(method) {
  const out = new Float64Array(horizon * width);
  return (row) => {
    method(readings, width, row, out);
    return out;
  };
}
