using System.Globalization;
using System.Net;
using StackExchange.Redis;

namespace Karya.Node.Configuration;

/// <summary>
/// Configurations of StackExchange.Redis as an option. They hold a password: a message about one never shows it.
/// </summary>
internal static class RedisConfiguration
{
    private const int PortDefault = 6379;

    private const string Form = "host:port, or several with commas between them, then options of StackExchange.Redis "
        + "such as password=...,ssl=true";

    /// <summary>What is wrong with it; null when nothing is.</summary>
    public static string? Judge(string text)
    {
        try
        {
            return ConfigurationOptions.Parse(text).EndPoints.Count == 0 ? $"names no server; write {Form}" : null;
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            return $"is not understood; write {Form}"; // The exception might show the password.
        }
    }

    /// <summary>The servers, all that anybody is shown of it.</summary>
    public static string Shown(string configuration) => Option.Shown(string.Join(
        ',', ConfigurationOptions.Parse(configuration).EndPoints.Select(Shown)));

    /// <summary>The same as hosts and ports.</summary>
    public static IEnumerable<(string Host, int Port)> ServersOf(string configuration) =>
        ConfigurationOptions.Parse(configuration).EndPoints.Select(ServerOf);

    private static string Shown(EndPoint server)
    {
        var (host, port) = ServerOf(server);
        return string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");
    }

    private static (string Host, int Port) ServerOf(EndPoint server)
    {
        var (host, port) = server switch
        {
            DnsEndPoint dns => (dns.Host, dns.Port),
            IPEndPoint ip => (ip.Address.ToString(), ip.Port),
            _ => (server.ToString() ?? "", PortDefault),
        };
        return (host, port == 0 ? PortDefault : port);
    }
}
