using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Karya.Client.Hosting;

/// <summary>
/// Options from configuration: a connection string is the address, a section has the rest. Read by hand, which works
/// ahead of time, and says what is wrong where.
/// </summary>
internal static class ClientSettings
{
    private static readonly string[] Keys =
        [nameof(KaryaClientOptions.Address), nameof(KaryaClientOptions.UserName), nameof(KaryaClientOptions.ClientName),
        nameof(KaryaClientOptions.RequestTimeout), nameof(KaryaClientOptions.ConnectTimeout)];

    /// <exception cref="InvalidOperationException">All that is wrong.</exception>
    public static void Apply(IConfiguration configuration, string name, KaryaClientOptions options)
    {
        var mistakes = new List<string>();
        var section = configuration.GetSection($"Karya:Client:{name}");
        foreach (var setting in section.GetChildren())
        {
            if (!Keys.Contains(setting.Key, StringComparer.OrdinalIgnoreCase))
                mistakes.Add($"{setting.Path} is no setting; there are {string.Join(", ", Keys)}.");
        }

        Address(section[nameof(options.Address)], section.Path, mistakes, options);
        Address(configuration.GetConnectionString(name), $"ConnectionStrings:{name}", mistakes, options);
        options.UserName = section[nameof(options.UserName)] ?? options.UserName;
        options.ClientName = section[nameof(options.ClientName)] ?? options.ClientName;
        options.RequestTimeout = Time(section, nameof(options.RequestTimeout), mistakes) ?? options.RequestTimeout;
        options.ConnectTimeout = Time(section, nameof(options.ConnectTimeout), mistakes) ?? options.ConnectTimeout;
        if (mistakes.Count > 0)
            throw new InvalidOperationException(string.Join('\n', mistakes));
    }

    private static void Address(string? text, string path, List<string> mistakes, KaryaClientOptions options)
    {
        if (text is null)
            return;
        if (ServerAddress.TryParse(text, out var address, out string? error))
            options.Address = address;
        else
            mistakes.Add($"{path}: {error}");
    }

    private static TimeSpan? Time(IConfigurationSection section, string key, List<string> mistakes)
    {
        if (section[key] is not { } text)
            return null;
        if (TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var value) && value > TimeSpan.Zero)
            return value;
        mistakes.Add($"{section.Path}:{key} is '{text}'; it must be a time above 0, such as 00:00:10.");
        return null;
    }
}
