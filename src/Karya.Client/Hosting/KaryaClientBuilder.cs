using Karya.Client.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Karya.Client;

/// <summary>Adds to a client that is registered.</summary>
public sealed class KaryaClientBuilder
{
    internal KaryaClientBuilder(IServiceCollection services) => Services = services;

    public IServiceCollection Services { get; }

    /// <summary>
    /// Adds a worker that starts and stops with the host. Each run has a scope of services of its own. Call it again
    /// for a further worker, with other names.
    /// </summary>
    public KaryaClientBuilder AddWorker(
        Action<KaryaWorkerBuilder> tasks, Action<KaryaWorkerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(tasks);
        Services.AddSingleton<IHostedService>(provider =>
        {
            var options = new KaryaWorkerOptions { Services = provider };
            configure?.Invoke(options);
            return new WorkerHost(provider.GetRequiredService<KaryaClient>().CreateWorker(tasks, options));
        });
        return this;
    }
}
