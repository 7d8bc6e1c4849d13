import { openS3 } from '../../scripts/lib/storages/s3/s3.ts';
import { startS3Double } from '../support/s3-double.ts';
import { storageContract } from './storage.ts';

for (const conditional of ['honoured', 'ignored', 'refused'] as const) {
  storageContract(
    `a store in which If-None-Match is ${conditional}`,
    async () => {
      const double = await startS3Double({ conditional });
      const storage = openS3(double.settings);
      return {
        storage,
        async close() {
          storage.close();
          await double.close();
        },
      };
    },
    { refusesOverwrite: conditional === 'honoured' },
  );
}
