import { Detector } from '../sequences/index.js';
import { drawLines } from './chart/line-chart.js';
import { CsvSink } from './csv-sink.js';
import { DetectionView } from './detection-view.js';
import { writeFile } from './files.js';
import { printed } from './forecast-view.js';
import type { Verb } from './host.js';
import { answerTo, liveReadings, storedReadings } from './live.js';
import { MODEL_NOTE, openModel, openStream, readBytes, STATE, saveState } from './model.js';
import { KERNELS } from './options.js';
import { READER_OPTIONS } from './reader-options.js';
import { COLUMNS, DATA_NOTE, namesIn, readReadings, tableOptions } from './readings.js';
import { STDIN } from './records.js';

export const detectVerb: Verb = {
  name: 'detect',
  summary: 'Scores how unexpected each row of a table is',
  positionals: ['MODEL', '[DATA]'],
  notes: [
    MODEL_NOTE,
    ...DATA_NOTE,
    'A row is compared with what the model had expected; the score is -log10 of how likely errors as large as the last ones',
    'are, given those before. A model that was trained to score gives its own.',
  ],
  options: {
    output: { short: 'o', value: 'FILE', help: 'Where to write the CSV, or - for standard output (default: -)' },
    svg: { value: 'FILE', help: 'Draw what came, what was expected, and the score' },
    ...COLUMNS,
    threshold: { value: 'X', help: 'Score from which a row is an anomaly (default: what the model says, else 5)' },
    window: { value: 'N', help: 'Past errors that say what is usual (default: what the model says, else 1000)' },
    recent: { value: 'N', help: 'Last errors that are judged together (default: what the model says, else 10)' },
    anomalies: { help: 'Write the anomalies only' },
    ...STATE,
    ...READER_OPTIONS,
    ...KERNELS,
  },
  examples: [
    'rivulet detect models/anomaly nyc_taxi.csv --svg taxi.svg --anomalies',
    'tail -f sensor.csv | rivulet detect models/anomaly --threshold 6',
  ],

  async run(args, context) {
    const [, path = '-'] = args.positionals;
    const settings = {
      threshold: args.number('threshold', { min: 0 }),
      window: args.number('window', { min: 1, integer: true }),
      recent: args.number('recent', { min: 1, integer: true }),
    };
    const model = await openModel(args, context);
    const stream = await openStream(model, args, context);
    const detector = new Detector(stream, settings);
    const { columns, targets } = detector;
    const named = namesIn(args, columns);
    const readings =
      path === '-'
        ? liveReadings(context, named, tableOptions(args, model, STDIN))
        : storedReadings(readReadings(await readBytes(path, context), named, tableOptions(args, model, path)));

    const sink = new CsvSink(args.text('output') ?? '-', context.stdout);
    const view = new DetectionView(detector);
    const { shown } = view;
    const judged = targets.length > 0 ? [...targets.map((name) => `${name} expected`), 'error'] : [];
    let isFirst = true;
    for await (const reading of readings) {
      const { label, values } = reading;
      const detection = answerTo(
        reading,
        (row) => detector.push(row),
        ({ score }) => [score],
      );
      const { expected = [], error, score, isAnomaly } = detection;
      const came = shown.map((name) => values[columns.indexOf(name)]);
      if (isFirst) await sink.write([...(label ? [label.name] : []), ...shown, ...judged, 'score', 'anomaly']);
      isFirst = false;
      if (args.text('svg') !== undefined) view.add(label, came, expected, score);
      if (args.flag('anomalies') && !isAnomaly) continue;
      const figures = [...expected, ...(error === undefined ? [] : [error]), score].map(printed);
      await sink.write([...(label ? [label.value] : []), ...came, ...figures, isAnomaly ? 1 : 0]);
    }
    await sink.end();
    const svg = args.text('svg');
    if (svg !== undefined) await writeFile(svg, drawLines(view.chart(model.name)));
    await saveState(stream, args);
  },
};
