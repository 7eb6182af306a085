using Karya.Client;
using Karya.Client.Hosting;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers clients of Karya.</summary>
public static class KaryaClientExtensions
{
    /// <summary>
    /// Registers one <see cref="KaryaClient"/> for the application, which connects when it is first used. It logs with
    /// the application's logging, and runs by its <see cref="TimeProvider"/> if one is registered.
    /// </summary>
    public static KaryaClientBuilder AddKaryaClient(
        this IServiceCollection services, Action<KaryaClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(provider =>
        {
            var options = new KaryaClientOptions();
            if (provider.GetService<ILoggerFactory>() is { } loggers)
                options.LoggerFactory = loggers;
            if (provider.GetService<TimeProvider>() is { } time)
                options.TimeProvider = time;
            configure?.Invoke(options);
            return new KaryaClient(options);
        });
        return new KaryaClientBuilder(services);
    }

    /// <summary>
    /// Registers one <see cref="KaryaClient"/>, with the connection string of that name as its address, and its other
    /// options from the section <c>Karya:Client:name</c>.
    /// </summary>
    /// <param name="configure">Has the last word.</param>
    /// <exception cref="InvalidOperationException">
    /// The configuration is wrong; the message has all mistakes.
    /// </exception>
    public static KaryaClientBuilder AddKaryaClient(
        this IHostApplicationBuilder builder, string name = "karya", Action<KaryaClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ClientSettings.Apply(builder.Configuration, name, new KaryaClientOptions()); // Mistakes show at once.
        return builder.Services.AddKaryaClient(options =>
        {
            ClientSettings.Apply(builder.Configuration, name, options);
            configure?.Invoke(options);
        });
    }
}
