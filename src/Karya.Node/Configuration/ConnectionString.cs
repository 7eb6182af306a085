using System.Data.Common;
using System.Globalization;
using System.Net;
using Npgsql;

namespace Karya.Node.Configuration;

/// <summary>
/// Connection strings of Npgsql as an option. They hold a password: a message about one may name its keywords, and its
/// host, port and database; never another value.
/// </summary>
internal static class ConnectionString
{
    private const string Form = "keyword=value pairs such as "
        + "Host=localhost;Database=karya;Username=karya;Password=${env:DB_PASSWORD}";

    private static readonly string[] UrlSchemes = ["postgres://", "postgresql://"];

    /// <summary>Keywords that are worth a guess when one is mistyped.</summary>
    private static readonly string[] UsualKeywords =
    [
        "Host", "Port", "Database", "Username", "Password", "Passfile", "SSL Mode", "SSL Certificate", "SSL Key",
        "Root Certificate", "Timeout", "Command Timeout", "Keepalive", "Application Name", "Options",
    ];

    /// <summary>
    /// Puts in what references stand for: all of the text, or parts of the values in it. What is put in stays part of
    /// its value, whatever signs it has. Returns what is wrong; null when nothing is.
    /// </summary>
    public static string? Resolve(string text, SecretReferences references, out string resolved)
    {
        if (SecretReferences.IsOne(text))
            return references.Resolve(text, out resolved);

        resolved = text;
        if (ReadPairs(text) is not { } pairs)
            return null; // Read says so.

        foreach (string keyword in pairs.Keys.Cast<string>().ToList())
        {
            if (references.Resolve((string)pairs[keyword], out string value) is { } mistake)
                return $"{keyword}: {mistake}";
            pairs[keyword] = value;
        }

        resolved = pairs.ConnectionString;
        return null;
    }

    /// <summary>Brings it to the form that Npgsql writes. Returns what is wrong; null when nothing is.</summary>
    public static string? Read(string text, out string connectionString)
    {
        connectionString = "";
        if (UrlSchemes.Any(scheme => text.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)))
            return $"is a URL; write {Form}";
        if (ReadPairs(text) is not { } pairs)
            return $"is not made of {Form}; a value with a ; or a quote in it stands in quotes";

        var builder = new NpgsqlConnectionStringBuilder();
        string? mistake = pairs.Keys.Cast<string>().Select((keyword, index) => Set(builder, keyword, index, pairs))
            .FirstOrDefault(wrong => wrong is not null) ?? WrongTogether(builder);
        if (mistake is null)
            connectionString = builder.ConnectionString;
        return mistake;
    }

    /// <summary><c>host:port/database</c>, all that anybody is shown of it.</summary>
    public static string Shown(string connectionString)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        string host = builder.Host ?? "";

        // Several hosts, or one with a port of its own.
        string server = host.AsSpan().ContainsAny(',', ':')
            ? host
            : string.Create(CultureInfo.InvariantCulture, $"{host}:{builder.Port}");
        string? database = builder.Database ?? builder.Username;
        return Option.Shown(database is null ? server : $"{server}/{database}");
    }

    /// <summary>Hosts and ports of a checked connection string; none of a Unix socket.</summary>
    public static IEnumerable<(string Host, int Port)> ServersOf(string connectionString)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        foreach (string server in (builder.Host ?? "").Split(',', StringSplitOptions.TrimEntries))
        {
            int colon = server.LastIndexOf(':');
            bool hasPort = int.TryParse(
                server.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port);
            if (!server.StartsWith('/') && server.Length > 0)
                yield return colon > 0 && hasPort ? (server[..colon], port) : (server, builder.Port);
        }
    }

    private static DbConnectionStringBuilder? ReadPairs(string text)
    {
        try
        {
            return new DbConnectionStringBuilder { ConnectionString = text };
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static string? Set(
        NpgsqlConnectionStringBuilder builder, string keyword, int index, DbConnectionStringBuilder pairs)
    {
        if (!builder.ContainsKey(keyword))
        {
            // It may be a piece of a password with a ; in it: shown only when it is plainly a slip.
            string ordinal = (index + 1).ToString(CultureInfo.InvariantCulture);
            return NearestName.Of(keyword, UsualKeywords) is { } nearest
                ? $"{Option.Shown(keyword)} is no keyword of Npgsql; {nearest} is the nearest"
                : $"keyword {ordinal} of it is none that Npgsql knows; a value with a ; in it stands in quotes";
        }

        try
        {
            builder[keyword] = pairs[keyword];
            return null;
        }
        catch (ArgumentException)
        {
            return $"{keyword} has a value that is not allowed";
        }
    }

    private static string? WrongTogether(NpgsqlConnectionStringBuilder builder)
    {
        if (string.IsNullOrEmpty(builder.Host))
            return "names no host; add Host=localhost, or where Postgres is";
        if (builder.Port > IPEndPoint.MaxPort)
            return "port has a value that is not allowed";

        try
        {
            // Connects to nothing yet. Its messages name keywords and numbers.
            NpgsqlDataSource.Create(builder).Dispose();
            return null;
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            return $"cannot be used: {exception.Message}";
        }
    }
}
