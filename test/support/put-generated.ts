import { writeSync } from 'node:fs';
import { openStorage } from '../../scripts/lib/storages/index.ts';
import { generated } from './bytes.ts';

// a process of its own, so that its peak is the storage's alone: settings as JSON, bytes; prints the peak in bytes
const [settings = '', sizeBytes = ''] = process.argv.slice(2);
const storage = await openStorage({ kind: 's3', ...JSON.parse(settings) });
await storage.put(`memory/${sizeBytes}`, generated(Number(sizeBytes), 65_536), { expectedBytes: Number(sizeBytes) });
storage.close();
writeSync(1, String(process.resourceUsage().maxRSS * 1024));
