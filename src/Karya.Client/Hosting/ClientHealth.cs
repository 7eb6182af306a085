using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Karya.Client.Hosting;

/// <summary>See <see cref="Microsoft.Extensions.DependencyInjection.KaryaHealthExtensions.AddKarya"/>.</summary>
internal sealed class ClientHealth(KaryaClient client) : IHealthCheck
{
    /// <summary>For a client that has not connected yet: probes are asked often, and must not hang.</summary>
    private static readonly TimeSpan ConnectMax = TimeSpan.FromSeconds(1);

    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await client.Link.ConnectionAsync(cancellationToken)
                .WaitAsync(ConnectMax, client.Options.TimeProvider, cancellationToken).ConfigureAwait(false);
            var ping = await client.PingAsync(cancellationToken).ConfigureAwait(false);
            int unsubscribed = client.Workers.Count(worker => worker.IsStarted && !worker.IsSubscribed);
            var data = new Dictionary<string, object>
            {
                ["node"] = ping.Node,
                ["roundTripMs"] = ping.RoundTrip.TotalMilliseconds,
            };
            return unsubscribed == 0
                ? HealthCheckResult.Healthy($"Connected to {ping.Node}.", data)
                : new HealthCheckResult(
                    context.Registration.FailureStatus, $"{unsubscribed} workers are not subscribed.", data: data);
        }
        catch (TimeoutException)
        {
            return new HealthCheckResult(
                context.Registration.FailureStatus, $"Not connected. {client.Link.LastFailure}");
        }
        catch (Exception e) when (e is KaryaException or ObjectDisposedException)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, e.Message, e);
        }
    }
}
