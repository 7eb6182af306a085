using Microsoft.Extensions.Hosting;

namespace Karya.Client.Hosting;

/// <summary>A worker that lives as long as the host runs.</summary>
internal sealed class WorkerHost(KaryaWorker worker) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        worker.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => worker.StopAsync(cancellationToken);
}
