using Karya.Client;
using Karya.Client.Hosting;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Health checks of Karya.</summary>
public static class KaryaHealthExtensions
{
    /// <summary>
    /// Adds a check that is healthy when the registered <see cref="KaryaClient"/> is connected, its node answers, and
    /// its workers are subscribed.
    /// </summary>
    /// <param name="failureStatus">Null for unhealthy.</param>
    public static IHealthChecksBuilder AddKarya(
        this IHealthChecksBuilder builder, string name = "karya", HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(
            name, provider => new ClientHealth(provider.GetRequiredService<KaryaClient>()), failureStatus, tags));
    }
}
